/// Numbers of the column section format; Docs/FORMAT.md (9) draws the bytes.
/// A number is never reused or changed; 0 is reserved everywhere so that zeroed bytes are an error.

/// Values of a page, laid out as 16 rows of 16 lanes: value i lies in row i / 16, lane i % 16.
package enum PageShape {
  package static let valueCount = 256
  package static let laneCount = 16
  /// A section holds at most this many values.
  package static let maximumSectionCount = 65_536

  /// Rows which `count` values (1 ... 256) take.
  @inline(__always) package static func rowCount(_ count: Int) -> Int { (count &+ 15) >> 4 }

  /// Bytes of `rowCount` rows packed with `width` bits a value, planes of 16 bits each.
  @inline(__always) package static func packedByteCount(rowCount: Int, width: Int) -> Int {
    32 &* ((width >> 4) &* rowCount &+ ((width & 15) &* rowCount &+ 15) >> 4)
  }
}

/// Low nibble of a section's first byte.
enum SectionForm: UInt8 {
  /// Every slot has the same value.
  case constant = 1
  /// Every slot is null.
  case null = 2
  /// Pages one after another.
  case paged = 3
  /// Two paged or constant sections: run lengths and run values.
  case runs = 4
  /// Another section as one LZ4 block.
  case lz4 = 5
  /// Entropy-coded: see `ColdShape`.
  case cold = 6
  /// Two paged or constant sections: gaps between the valid values, and those.
  case sparse = 7
}

/// High nibble of a section's first byte.
enum SectionFlag {
  /// Values are the minimum plus multiples of a divisor.
  static let divisor: UInt8 = 0x10
  /// Slots are bit patterns of doubles, held as `FloatOrder` keys.
  static let float: UInt8 = 0x20
  /// With `float`: slots are doubles k / 10^e, held as the integers k.
  static let decimal: UInt8 = 0x40
  /// With `decimal`: some slots are kept apart (`FloatPatches`).
  static let patched: UInt8 = 0x80
}

/// What stands in place of the number of texts, above `base`, where they are not plain (9.4).
enum TextSectionForm: Int {
  /// One LZ4 block.
  case lz4 = 1
  /// The parts of one, each entropy-coded.
  case coded = 2

  static let base = 65_536
}

/// Top three bits of a page's tag; the low five are its width code (or, for `special`, a kind).
/// 7 is kept for an entropy-coded page.
enum PageCodec: UInt8 {
  case frame = 1
  case patchedFrame = 2
  case delta = 3
  case patchedDelta = 4
  /// Patched frame of reference whose reference changes once within the page.
  case stepped = 5
  case special = 6
}

/// Low five bits of a tag whose codec is `special`.
enum SpecialPage: UInt8 {
  /// A validity bitmap; the page itself follows it.
  case validity = 1
  /// Every slot is null; no further bytes.
  case null = 2
  case runLength = 3
  case dictionary = 4
}

/// Width codes 0 ... 16 are the width itself; 17 says that a byte with 17 ... 64 follows.
enum WidthCode {
  static let wide: UInt8 = 17
}

/// One byte before the exceptions of a patched page: count in the low five bits, the code of the
/// bits each one keeps above the page's width in the top three. Code 7: two bytes follow, count
/// and bits.
enum ExceptionCode {
  static let widths: [UInt8] = [0, 1, 2, 3, 4, 6, 9]
  static let extended: UInt8 = 7
  static let maximumShortCount = 31

  /// The bits of short code `code`, 0 ... 6.
  @inline(__always) static func width(_ code: UInt8) -> Int {
    Int(truncatingIfNeeded: 0x09_06_04_03_02_01_00 as UInt64 >> (UInt64(code) &* 8) & 0xFF)
  }

  /// The first code whose width is at least `width`, or nil.
  @inline(__always) static func code(atLeast width: Int) -> UInt8? {
    switch width {
    case ...4: UInt8(truncatingIfNeeded: max(width, 0))
    case 5, 6: 5
    case 7...9: 6
    default: nil
    }
  }
}
