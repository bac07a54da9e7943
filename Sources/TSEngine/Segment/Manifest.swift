/// Which files are live. The manifest is a log of edits in the framing of the log itself
/// (FORMAT.md, "Manifest"); this is the state that the edits fold to.
package struct Manifest: Sendable, Equatable {
  package struct DataSegment: Sendable, Equatable {
    package var id: UInt64
    package var table: TableID
    package var rowCount: Int
    package var byteCount: Int
    package var firstTime: Int64
    package var lastTime: Int64
    package var oldestLSN: LSN
    package var newestLSN: LSN
    /// Added to the LSNs in the file: a bulk append writes its blocks before it has an LSN.
    package var baseLSN: LSN = 0
    /// Removals (deletes, retention, settled quarantine) up to this LSN are applied to its rows.
    package var appliedLSN: LSN = 0
    /// Least last time of its packed blocks: `.max` when there is none. What an edit of the first
    /// kind does not say is its first time.
    package var packedFrom = Int64.max
    /// Greatest last time of its cold blocks: `.min` when there is none.
    package var coldUntil = Int64.min

    /// Takes a block into account.
    package mutating func note(lastTime: Int64, isCold: Bool) {
      if isCold { coldUntil = max(coldUntil, lastTime) } else { packedFrom = min(packedFrom, lastTime) }
    }
  }

  package struct JournalSegment: Sendable, Equatable {
    package enum Content: UInt8, Sendable {
      /// Registry events and what changes rarely; replayed at open, kept for ever.
      case registry = 1
      /// Messages and the like, with a retention of their own; read when asked for.
      case operational = 2
      /// Hashes over the leaves of a sealed stretch; read when a proof is wanted.
      case leaves = 3
    }
    package var id: UInt64
    package var content: Content
    package var byteCount: Int
    package var oldestLSN: LSN
    package var newestLSN: LSN
  }

  package struct LSNRange: Sendable, Equatable {
    package var first: LSN
    package var last: LSN
    /// When it was committed, nanoseconds.
    package var time: Int64
  }

  package struct Damage: Sendable, Equatable {
    package var file: String
    package var offset: Int
    package var byteCount: Int
    package var firstLSN: LSN
    package var lastLSN: LSN
  }

  /// In order of their ids.
  package var data: [DataSegment] = []
  package var journals: [JournalSegment] = []
  /// Log segments with ids up to this one are sealed: their records are in data and journal
  /// segments, and recovery does not read them.
  package var sealedLogSegment: UInt64 = 0
  package var sealedLSN: LSN = 0
  /// LSN ranges of bulk appends, which are not in the log, above `sealedLSN`.
  package var bulks: [LSNRange] = []
  package var damages: [Damage] = []
  /// By table, the rows that were physically removed: what was known of them cannot be told any more.
  package var removed: [TableID: RemovedRows] = [:]
  /// In order of their ids. Derived: never needed to know what is stored.
  package var rollups: [RollupSegment] = []
  /// The next data, journal or rollup segment's id.
  package var nextFileID: UInt64 = 1

  package init() {}

  package mutating func apply(_ edit: ManifestEdit) {
    switch edit {
    case .reset:
      self = Manifest()
    case .addData(let segment):
      // Ids are taken before files are written, and a long compaction ends late.
      data.insert(segment, at: place(of: segment.id))
      nextFileID = max(nextFileID, segment.id + 1)
    case .removeData(let id):
      let place = place(of: id)
      if place < data.count, data[place].id == id { data.remove(at: place) }
      // Of a segment that went without a successor: a reader may still have the file.
      nextFileID = max(nextFileID, id + 1)
    case .addJournal(let segment):
      journals.append(segment)
      nextFileID = max(nextFileID, segment.id + 1)
    case .sealed(let logSegment, let lsn):
      sealedLogSegment = max(sealedLogSegment, logSegment)
      sealedLSN = max(sealedLSN, lsn)
      bulks.removeAll { $0.last <= sealedLSN }
    case .bulk(let range):
      bulks.append(range)
    case .damaged(let damage):
      if !damages.contains(damage) { damages.append(damage) }
    case .removedRows(let table, let part):
      removed[table, default: RemovedRows()].insert(part)
    case .addRollup(let segment):
      rollups.removeAll { $0.id == segment.id }
      rollups.insert(segment, at: rollups.firstIndex { $0.id > segment.id } ?? rollups.count)
      nextFileID = max(nextFileID, segment.id + 1)
    case .removeRollup(let id):
      rollups.removeAll { $0.id == id }
      nextFileID = max(nextFileID, id + 1)
    }
  }

  /// Where a data segment is, or would be. O(log segments).
  private func place(of id: UInt64) -> Int {
    var (low, high) = (0, data.count)
    while low < high {
      let middle = (low + high) / 2
      if data[middle].id < id { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// Events that a salvage left behind, oldest first: this store goes by the others, and refuses these.
  /// O(damages).
  package var leftBehind: [Damage] {
    damages.filter { FileNames.journalSegmentID($0.file) != nil }.sorted { $0.firstLSN < $1.firstLSN }
  }

  /// How many `edits` there are. O(1).
  package var editCount: Int {
    2 + data.count + journals.count + bulks.count + damages.count + rollups.count
      + removed.values.reduce(0) { $0 + $1.parts.count }
  }

  /// Edits that say what was removed for good.
  package var removedEdits: [ManifestEdit] {
    removed.sorted { $0.key < $1.key }.flatMap { table, rows in
      rows.parts.map { .removedRows(table: table, $0) }
    }
  }

  /// Edits that fold to this state from nothing: what a new manifest file starts with.
  package var edits: [ManifestEdit] {
    [.reset] + data.map { .addData($0) } + journals.map { .addJournal($0) }
      + [.sealed(logSegment: sealedLogSegment, lsn: sealedLSN)] + bulks.map { .bulk($0) }
      + damages.map { .damaged($0) } + removedEdits
      + rollups.map { .addRollup($0) }
  }
}

/// One change of the manifest. The edits of one batch take effect together.
package enum ManifestEdit: Sendable, Equatable {
  /// What follows is the whole state.
  case reset
  case addData(Manifest.DataSegment)
  case removeData(id: UInt64)
  case addJournal(Manifest.JournalSegment)
  case sealed(logSegment: UInt64, lsn: LSN)
  case bulk(Manifest.LSNRange)
  case damaged(Manifest.Damage)
  /// Rows of `table` are no longer in its files.
  case removedRows(table: TableID, RemovedRows.Part)
  case addRollup(Manifest.RollupSegment)
  case removeRollup(id: UInt64)

  private enum Kind {
    static let addData: UInt8 = 1, removeData: UInt8 = 2, addJournal: UInt8 = 3
    static let sealed: UInt8 = 4, bulk: UInt8 = 5, damaged: UInt8 = 6, reset: UInt8 = 7
    static let removedThrough: UInt8 = 9, addDataOfForms: UInt8 = 10
    static let removedRows: UInt8 = 11
    static let addRollup: UInt8 = 20, removeRollup: UInt8 = 21
  }

  package func encode(into out: inout ByteWriter) {
    switch self {
    case .reset:
      out.put(Kind.reset)
    case .addData(let segment):
      out.put(Kind.addDataOfForms)
      out.varint(segment.id)
      out.varint(UInt64(segment.table))
      out.varint(segment.rowCount)
      out.varint(segment.byteCount)
      out.put(segment.firstTime)
      out.put(segment.lastTime)
      out.varint(segment.oldestLSN)
      out.varint(segment.newestLSN)
      out.varint(segment.baseLSN)
      out.put(segment.packedFrom)
      out.put(segment.coldUntil)
      out.varint(segment.appliedLSN)
    case .removeData(let id):
      out.put(Kind.removeData)
      out.varint(id)
    case .addJournal(let segment):
      out.put(Kind.addJournal)
      out.varint(segment.id)
      out.put(segment.content.rawValue)
      out.varint(segment.byteCount)
      out.varint(segment.oldestLSN)
      out.varint(segment.newestLSN)
    case .sealed(let logSegment, let lsn):
      out.put(Kind.sealed)
      out.varint(logSegment)
      out.varint(lsn)
    case .bulk(let range):
      out.put(Kind.bulk)
      out.varint(range.first)
      out.varint(range.last)
      out.put(range.time)
    case .damaged(let damage):
      out.put(Kind.damaged)
      out.string(damage.file)
      out.varint(damage.offset)
      out.varint(damage.byteCount)
      out.varint(damage.firstLSN)
      out.varint(damage.lastLSN)
    case .removedRows(let table, let part):
      out.put(Kind.removedRows)
      out.varint(UInt64(table))
      out.put(part.times.lowerBound)
      out.put(part.times.upperBound)
      out.varint(part.oldestLSN)
      out.varint(part.removedLSN)
    case .addRollup(let segment):
      out.put(Kind.addRollup)
      segment.encode(into: &out)
    case .removeRollup(let id):
      out.put(Kind.removeRollup)
      out.varint(id)
    }
  }

  /// - Throws: `.corrupt`, `.truncated`, `.unsupportedVersion` for an unknown kind.
  package init(decoding bytes: RawSpan) throws(StorageError) {
    var reader = ByteReader(bytes)
    let kind = try reader.next(UInt8.self)
    switch kind {
    case Kind.reset:
      self = .reset
    case Kind.addData, Kind.addDataOfForms:
      self = .addData(try Self.dataSegment(&reader, saysForms: kind == Kind.addDataOfForms))
    case Kind.removeData:
      self = .removeData(id: try reader.varint())
    case Kind.addJournal:
      let id = try reader.varint()
      guard let content = Manifest.JournalSegment.Content(rawValue: try reader.next(UInt8.self))
      else { throw StorageError(.unsupportedVersion, "journal of an unknown content") }
      self = .addJournal(
        Manifest.JournalSegment(
          id: id, content: content, byteCount: try reader.count(limit: .max),
          oldestLSN: try reader.varint(), newestLSN: try reader.varint()))
    case Kind.sealed:
      self = .sealed(logSegment: try reader.varint(), lsn: try reader.varint())
    case Kind.bulk:
      self = .bulk(
        Manifest.LSNRange(
          first: try reader.varint(), last: try reader.varint(), time: try reader.next(Int64.self)))
    case Kind.damaged:
      self = .damaged(
        Manifest.Damage(
          file: try reader.string(limit: 4096), offset: try reader.count(limit: .max),
          byteCount: try reader.count(limit: .max), firstLSN: try reader.varint(),
          lastLSN: try reader.varint()))
    case Kind.removedThrough, Kind.removedRows:
      self = .removedRows(
        table: TableID(try reader.count(limit: Int(TableID.max))),
        try Self.removedPart(&reader, saysTimes: kind == Kind.removedRows))
    case Kind.addRollup: self = .addRollup(try Manifest.RollupSegment(from: &reader))
    case Kind.removeRollup: self = .removeRollup(id: try reader.varint())
    default:
      throw StorageError(.unsupportedVersion, "manifest edit of an unknown kind", offset: 0)
    }
    guard reader.isAtEnd else {
      throw StorageError(.corrupt, "bytes behind a manifest edit", offset: reader.offset)
    }
  }

  private static func removedPart(
    _ reader: inout ByteReader, saysTimes: Bool
  ) throws(StorageError) -> RemovedRows.Part {
    guard saysTimes else {
      return .init(.min ... .max, from: 0, removedLSN: try reader.varint())
    }
    let first = try reader.next(Int64.self)
    let last = try reader.next(Int64.self)
    guard first <= last else {
      throw StorageError(.corrupt, "removed rows that end before they begin", offset: reader.offset)
    }
    return .init(first...last, from: try reader.varint(), removedLSN: try reader.varint())
  }

  private static func dataSegment(
    _ reader: inout ByteReader, saysForms: Bool
  ) throws(StorageError) -> Manifest.DataSegment {
    var segment = Manifest.DataSegment(
      id: try reader.varint(), table: TableID(try reader.count(limit: Int(TableID.max))),
      rowCount: try reader.count(limit: .max), byteCount: try reader.count(limit: .max),
      firstTime: try reader.next(Int64.self), lastTime: try reader.next(Int64.self),
      oldestLSN: try reader.varint(), newestLSN: try reader.varint(),
      baseLSN: try reader.varint())
    segment.packedFrom = segment.firstTime
    if saysForms {
      segment.packedFrom = try reader.next(Int64.self)
      segment.coldUntil = try reader.next(Int64.self)
      segment.appliedLSN = try reader.varint()
    }
    return segment
  }
}
