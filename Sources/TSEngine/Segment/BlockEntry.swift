/// What the index of a data segment says of one block: everything a plan needs without reading it.
package struct BlockEntry: Sendable, Equatable {
  package enum Kind: UInt8, Sendable {
    /// The rows readers see.
    case main = 1
    /// Rows that a later LSN superseded; kept for `conflicts` and `AS KNOWN AT`.
    case superseded = 2
  }

  package struct Column: Sendable, Equatable {
    package var id: ColumnID
    package var section: Section
    package var statistics: ColumnStatistics
    package init(id: ColumnID, section: Section, statistics: ColumnStatistics) {
      self.id = id
      self.section = section
      self.statistics = statistics
    }
  }

  /// Index into the segment's series.
  package var series: Int
  package var kind: Kind
  /// Written for data that are seldom read: sections may be of the cold form.
  package var isCold = false
  package var rowCount: Int
  package var firstTime: Int64
  package var lastTime: Int64
  /// The step when all ticks are one regular run starting at `firstTime`; else `timeSection` is set.
  package var regular: RegularTimes?
  package var timeSection: Section?
  package var oldestLSN: LSN
  package var newestLSN: LSN
  /// Nil when one LSN brought all rows.
  package var lsnSection: Section?
  package var columns: [Column]

  package func column(_ id: ColumnID) -> Column? { columns.first { $0.id == id } }

  /// The order of a segment's index.
  static func isBefore(_ a: BlockEntry, _ b: BlockEntry) -> Bool {
    (a.series, a.kind.rawValue, a.firstTime) < (b.series, b.kind.rawValue, b.firstTime)
  }
}

/// Where the bytes of one encoded column (or time, or lsn run list) are.
package enum Section: Sendable, Equatable {
  /// In the index itself: tiny sections, such as a constant column.
  case inline([UInt8])
  /// `byteCount` bytes at `offset` of the file, with their CRC32C.
  case stored(offset: Int, byteCount: Int, crc: UInt32)

  package var byteCount: Int {
    switch self {
    case .inline(let bytes): bytes.count
    case .stored(_, let byteCount, _): byteCount
    }
  }

  /// No section is larger: 65,536 rows of texts of some kilobytes each.
  package static let storedLimit = 1 << 31
  /// Sections up to this size live in the index.
  package static let inlineLimit = 40
}

/// Something sections can be fetched from: a data segment through the block cache, or the bytes of
/// a block in memory.
package protocol SectionSource: Sendable {
  /// The bytes of `section`, checked.
  /// - Throws: `.io`, `.corrupt`, `.truncated`.
  func bytes(of section: Section) throws(StorageError) -> [UInt8]
}
