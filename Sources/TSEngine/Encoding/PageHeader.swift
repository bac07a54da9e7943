/// What the header of one page says, checked against the bytes that follow it.
///
/// Parsing is the only place where offsets and counts from the disk are trusted or refused: after
/// it, decoding is in bounds by construction. Values are in the section's *units*: unsigned
/// multiples of its divisor above its minimum.
struct PageHeader {
  enum Kind: UInt8 { case frame, delta, stepped, null, runLength, dictionary }

  var kind = Kind.null
  /// Bits of a packed value; of a run's value or an entry for those kinds.
  var width = 0
  /// Where the packed values (or run ends, or entries) start.
  var body = 0
  /// Where exceptions' positions start; their high bits follow.
  var exceptions = 0
  var exceptionCount = 0
  var exceptionWidth = 0
  /// Where the validity bitmap starts, or nil when all values are valid (or all null).
  var validity: Int?
  /// Frame: the lowest packed value. Delta: the first value. Others: what values are added to.
  var reference: UInt64 = 0
  /// Delta: the lowest difference. Stepped: the reference from `step` on.
  var secondReference: UInt64 = 0
  var step = 0
  /// Runs or dictionary entries.
  var entryCount = 0
  /// Bits of a dictionary code.
  var codeWidth = 0
  /// No value of the page lies outside these.
  var lower: UInt64 = 0
  var upper: UInt64 = 0

  /// Reads the page of `count` values which `reader` stands at, and moves past it.
  /// `range` is the largest value the section has.
  static func parse(
    _ reader: inout ByteReader, _ bytes: RawSpan, count: Int, range: UInt64
  ) throws(StorageError) -> PageHeader {
    var page = PageHeader()
    let rows = PageShape.rowCount(count)
    var tag = try reader.next(UInt8.self)
    if tag == PageTag.special(.validity) {
      page.validity = reader.offset
      _ = try reader.take(2 &* rows)
      tag = try reader.next(UInt8.self)
    }
    guard let codec = PageCodec(rawValue: tag >> 5) else {
      throw StorageError(.corrupt, "page codec \(tag >> 5)", offset: reader.offset)
    }
    if codec == .special {
      try page.parseSpecial(tag & 31, &reader, count: count)
    } else {
      try page.parsePacked(codec, tag & 31, &reader, bytes, count: count)
    }
    try page.setBounds(bytes, count: count, range: range, at: reader.offset)
    return page
  }

  private mutating func parsePacked(
    _ codec: PageCodec, _ code: UInt8, _ reader: inout ByteReader, _ bytes: RawSpan, count: Int
  ) throws(StorageError) {
    width = Int(code)
    if code == WidthCode.wide { width = Int(try reader.next(UInt8.self)) }
    guard code <= WidthCode.wide, width <= 64, (code == WidthCode.wide) == (width > 16) else {
      throw StorageError(.corrupt, "page width \(width)", offset: reader.offset)
    }
    reference = try reader.varint()
    var patched = false
    switch codec {
    case .frame, .patchedFrame:
      kind = .frame
      patched = codec == .patchedFrame
    case .delta, .patchedDelta:
      kind = .delta
      secondReference = UInt64(bitPattern: try reader.zigzag())
      patched = codec == .patchedDelta
    default:
      kind = .stepped
      step = Int(try reader.next(UInt8.self))
      secondReference = try reader.varint()
      patched = true
    }
    if patched { try parseExceptionHeader(&reader) }
    body = reader.offset
    _ = try reader.take(
      PageShape.packedByteCount(rowCount: PageShape.rowCount(count), width: width))
    exceptions = reader.offset
    _ = try reader.take(exceptionCount)
    _ = try reader.take(BitStream.byteCount(exceptionCount, width: exceptionWidth))
    // In a whole page a byte is a position.
    for index in 0..<(count == 256 ? 0 : exceptionCount) {
      // SAFETY: `take` has proved that `exceptionCount` bytes start at `exceptions`.
      let position = unsafe bytes.unsafeLoad(
        fromUncheckedByteOffset: exceptions &+ index, as: UInt8.self)
      guard position < count else {
        throw StorageError(.corrupt, "exception past the page", offset: exceptions &+ index)
      }
    }
  }

  private mutating func parseExceptionHeader(
    _ reader: inout ByteReader
  ) throws(StorageError) {
    let byte = try reader.next(UInt8.self)
    if byte >> 5 == ExceptionCode.extended {
      exceptionCount = Int(try reader.next(UInt8.self))
      exceptionWidth = Int(try reader.next(UInt8.self))
    } else {
      exceptionCount = Int(byte & 31)
      exceptionWidth = ExceptionCode.width(byte >> 5)
    }
    guard exceptionWidth <= 64, exceptionCount == 0 || width < 64 else {
      throw StorageError(.corrupt, "exception width \(exceptionWidth)", offset: reader.offset)
    }
  }

  private mutating func parseSpecial(
    _ code: UInt8, _ reader: inout ByteReader, count: Int
  ) throws(StorageError) {
    switch SpecialPage(rawValue: code) {
    case .null where validity == nil:
      kind = .null
    case .runLength:
      kind = .runLength
      try parseEntries(&reader)
      body = reader.offset
      let ends = try reader.take(entryCount &- 1)
      try Self.checkAscending(ends, below: count, at: body)
      exceptions = reader.offset
      _ = try reader.take(BitStream.byteCount(entryCount, width: width))
    case .dictionary:
      kind = .dictionary
      try parseEntries(&reader)
      codeWidth = UInt64(entryCount &- 1).bitLength
      exceptions = reader.offset
      _ = try reader.take(BitStream.byteCount(entryCount, width: width))
      body = reader.offset
      _ = try reader.take(
        PageShape.packedByteCount(rowCount: PageShape.rowCount(count), width: codeWidth))
    default:
      throw StorageError(.corrupt, "special page \(code)", offset: reader.offset)
    }
  }

  private mutating func parseEntries(_ reader: inout ByteReader) throws(StorageError) {
    entryCount = Int(try reader.next(UInt8.self)) &+ 1
    width = Int(try reader.next(UInt8.self))
    reference = try reader.varint()
    guard width <= 64 else {
      throw StorageError(.corrupt, "entry width \(width)", offset: reader.offset)
    }
  }

  /// The starts of runs 1, 2 …: each after the one before, all within the page.
  private static func checkAscending(
    _ starts: RawSpan, below count: Int, at offset: Int
  ) throws(StorageError) {
    var previous = 0
    for index in 0..<starts.byteCount {
      // SAFETY: `index` is below the span's byte count.
      let start = Int(unsafe starts.unsafeLoad(fromUncheckedByteOffset: index, as: UInt8.self))
      guard start > previous, start < count else {
        throw StorageError(.corrupt, "run starts out of order", offset: offset &+ index)
      }
      previous = start
    }
  }

  // MARK: Bounds

  private mutating func setBounds(
    _ bytes: RawSpan, count: Int, range: UInt64, at offset: Int
  ) throws(StorageError) {
    (lower, upper) = (0, range)
    if kind == .null { return }
    // Differences of 2^63 and more are told modulo 2^64, so steps say nothing of where they lead.
    if kind == .delta && range >= 1 << 63 { return }
    // 64 bits do for all but the widest pages: 2^60 and twice 255 steps of 2^52 stay below 2^63.
    let isSmall = width &+ exceptionWidth <= 50 && reference < 1 << 60
      && secondReference &+ 1 << 50 < 1 << 51
    let bounds = isSmall
      ? computedBounds(bytes, count: count, as: Int64.self).map { (Int128($0), Int128($1)) }
      : computedBounds(bytes, count: count, as: Int128.self)
    guard let (low, high) = bounds else { return }
    guard high >= 0, low <= Int128(range) else {
      throw StorageError(.corrupt, "page outside its section's bounds", offset: offset)
    }
    lower = low > 0 ? UInt64(low) : 0
    upper = high < Int128(range) ? UInt64(high) : range
  }

  /// Nil where the section's bounds are all that can be said cheaply.
  @inline(__always) private func computedBounds<Number: FixedWidthInteger & SignedInteger>(
    _ bytes: RawSpan, count: Int, as _: Number.Type
  ) -> (Number, Number)? {
    let base = Number(truncatingIfNeeded: reference)
    switch kind {
    case .frame:
      guard let (low, high) = residualBounds(bytes, as: Number.self) else { return nil }
      return (base + low, base + high)
    case .stepped:
      guard let (low, high) = residualBounds(bytes, as: Number.self) else { return nil }
      let second = Number(truncatingIfNeeded: secondReference)
      return (min(base, second) + low, max(base, second) + high)
    case .delta:
      guard let (low, high) = residualBounds(bytes, as: Number.self) else { return nil }
      let step = Number(Int64(bitPattern: secondReference))
      let steps = Number(truncatingIfNeeded: count &- 1)
      return (base + min(0, (step + low) * steps), base + max(0, (step + high) * steps))
    case .runLength, .dictionary:
      guard width < 64 else { return nil }
      var (low, high) = (UInt64.max, UInt64.min)
      for index in 0..<entryCount {
        let entry = BitStream.field(bytes, at: exceptions, width: width, index: index)
        low = min(low, entry)
        high = max(high, entry)
      }
      return (base + Number(truncatingIfNeeded: low), base + Number(truncatingIfNeeded: high))
    case .null:
      return nil
    }
  }

  @inline(__always) private func residualBounds<Number: FixedWidthInteger & SignedInteger>(
    _ bytes: RawSpan, as _: Number.Type
  ) -> (Number, Number)? {
    guard width + exceptionWidth < 100 else { return nil }
    let span = ((1 as Number) << Number(truncatingIfNeeded: width)) - 1
    var (least, most): (Int64, Int64) = (0, 0)
    for index in 0..<exceptionCount {
      let high = exceptionHigh(bytes, index)
      least = min(least, high)
      most = max(most, high)
    }
    let shift = Number(truncatingIfNeeded: width)
    return (Number(least) << shift, Number(most) << shift + span)
  }

  // MARK: Exceptions

  /// Position of exception `index` in the page.
  @inline(__always) func exceptionPosition(_ bytes: RawSpan, _ index: Int) -> Int {
    // SAFETY: parsing has proved `exceptionCount` bytes at `exceptions`; index < exceptionCount.
    Int(unsafe bytes.unsafeLoad(fromUncheckedByteOffset: exceptions &+ index, as: UInt8.self))
  }

  /// What exception `index` holds above the page's width; never 0. Codes 0, 1, 2, 3 … are
  /// 1, -1, 2, -2 …
  @inline(__always) func exceptionHigh(_ bytes: RawSpan, _ index: Int) -> Int64 {
    let code = BitStream.field(
      bytes, at: exceptions &+ exceptionCount, width: exceptionWidth, index: index)
    let magnitude = Int64(bitPattern: (code >> 1) &+ 1)
    return code & 1 == 0 ? magnitude : 0 &- magnitude
  }

  /// How many of the page's values are not null. O(1).
  func validCount(_ bytes: RawSpan, count: Int) -> Int {
    if kind == .null { return 0 }
    guard validity != nil else { return count }
    return validityMask(bytes, count: count).nonzeroBitCount
  }

  func validityMask(_ bytes: RawSpan, count: Int) -> PageMask {
    if kind == .null { return .zero }
    guard let validity else { return .first(count) }
    var mask = PageMask.zero
    for index in 0..<PageShape.rowCount(count) {
      // SAFETY: parsing has proved 2 bytes a row at `validity`.
      let row = unsafe bytes.unsafeLoadUnaligned(
        fromUncheckedByteOffset: validity &+ 2 &* index, as: UInt16.self)
      mask[index >> 2] |= UInt64(row) << UInt64((index & 3) &* 16)
    }
    return mask & .first(count)
  }
}

enum PageTag {
  @inline(__always) static func special(_ page: SpecialPage) -> UInt8 {
    PageCodec.special.rawValue << 5 | page.rawValue
  }

  @inline(__always) static func packed(_ codec: PageCodec, width: Int) -> UInt8 {
    codec.rawValue << 5 | (width > 16 ? WidthCode.wide : UInt8(truncatingIfNeeded: width))
  }
}
