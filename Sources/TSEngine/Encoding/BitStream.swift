/// Short runs of fields of 0 ... 64 bits, least significant bit first: exceptions, run values,
/// dictionary entries. Not for bulk; pages are packed in lanes.
enum BitStream {
  @inline(__always) static func byteCount(_ count: Int, width: Int) -> Int {
    (count &* width &+ 7) >> 3
  }

  /// Field `index` of the stream at `offset`.
  ///
  /// Precondition: the stream has more than `index` fields and lies within `bytes`.
  @inline(__always) static func field(
    _ bytes: RawSpan, at offset: Int, width: Int, index: Int
  ) -> UInt64 {
    if width == 0 { return 0 }
    let bit = index &* width
    let start = offset &+ (bit >> 3)
    if width <= 56, start <= bytes.byteCount &- 8 {
      // SAFETY: the test proves eight bytes at `start`; the field ends within 7 + 56 bits of it.
      let word = unsafe bytes.unsafeLoadUnaligned(
        fromUncheckedByteOffset: start, as: UInt64.self)
      return word &>> UInt64(bit & 7) & ((1 &<< UInt64(width)) &- 1)
    }
    var value: UInt64 = 0
    var filled = 0 &- (bit & 7)
    var at = start
    while filled < width {
      // SAFETY: `at` is the offset of a byte that holds a bit of field `index`.
      let byte = UInt64(unsafe bytes.unsafeLoad(fromUncheckedByteOffset: at, as: UInt8.self))
      value |= filled >= 0 ? byte &<< UInt64(filled) : byte &>> UInt64(0 &- filled)
      filled &+= 8
      at &+= 1
    }
    return width == 64 ? value : value & ((1 &<< UInt64(width)) &- 1)
  }

  /// Appends the low `width` bits of each field.
  struct Writer {
    private var pending: UInt64 = 0
    private var pendingBits = 0

    @inline(__always) mutating func put(_ field: UInt64, width: Int, into out: inout [UInt8]) {
      var (rest, left) = (field, width)
      while left > 0 {
        let taken = min(8 &- pendingBits, left)
        pending |= (rest & ((1 &<< UInt64(taken)) &- 1)) &<< UInt64(pendingBits)
        pendingBits &+= taken
        rest = rest &>> UInt64(taken)
        left &-= taken
        if pendingBits == 8 { flush(into: &out) }
      }
    }

    mutating func finish(into out: inout [UInt8]) {
      if pendingBits > 0 { flush(into: &out) }
    }

    @inline(__always) private mutating func flush(into out: inout [UInt8]) {
      out.append(UInt8(truncatingIfNeeded: pending))
      (pending, pendingBits) = (0, 0)
    }
  }
}

extension UInt64 {
  /// Bits needed to write this number, 0 for 0.
  @inline(__always) var bitLength: Int { 64 &- leadingZeroBitCount }
}
