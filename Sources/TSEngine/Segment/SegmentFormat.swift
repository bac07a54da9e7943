/// The bytes of a data segment (FORMAT.md, "Data segment"). Little-endian throughout.
///
///     +--------------------------------------------------------------------+
///     | header, 64 bytes                                                   |
///     |   magic u64 | version u16 | reserved u16 | flags u32               |
///     |   store uuid 16 B | segment id u64 | table id u32 | zeros | crc u32 |
///     +--------------------------------------------------------------------+
///     | sections: encoded columns, times, lsn runs, back to back           |
///     +--------------------------------------------------------------------+
///     | index: schema, series, blocks, shared blocks (SegmentIndex)        |
///     +--------------------------------------------------------------------+
///     | trailer, 40 bytes                                                  |
///     |   index offset u64 | index length u64 | index crc u32              |
///     |   sections crc u32 | zeros u32 | trailer crc u32 | magic u64       |
///     +--------------------------------------------------------------------+
package enum SegmentFormat {
  package static let magic: UInt64 = 0x3161_7461_6471_7374  // "tsqdata1"
  package static let trailerMagic: UInt64 = 0x3164_6E65_6471_7374  // "tsqdend1"
  package static let version: UInt16 = 1
  package static let headerByteCount = 64
  package static let trailerByteCount = 40

  /// Added to the kind of a block that was written for the cold form.
  static let coldKind: UInt8 = 4

  /// How a section is named in the index.
  enum SectionForm {
    static let inline: UInt8 = 1
    static let stored: UInt8 = 2
    /// The same bytes as the section in this place of the block before.
    static let sameAsBefore: UInt8 = 3
  }

  enum TimeForm {
    /// Regular with the step of the block before.
    static let regularSameStep: UInt8 = 1
    static let regular: UInt8 = 2
    static let explicit: UInt8 = 3
  }

  /// Of an index that has shared blocks: a table of number 0, which there is not, then the form.
  enum IndexForm {
    static let mark: UInt8 = 0
    static let shared: UInt8 = 2
  }

  /// Of a shared block.
  enum SharedTimeForm {
    /// Equal steps in each member.
    static let even: UInt8 = 1
    static let steps: UInt8 = 2
  }

  enum LSNForm { static let single: UInt8 = 1, runs: UInt8 = 2 }
}
