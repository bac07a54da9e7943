/// The index of a data segment as it is read: its table's columns as they were, its series, and its
/// blocks in order of (series, kind, time). Blocks repeat much of their neighbour, so each is
/// written as the difference to the one before.
package struct SegmentIndex: Sendable {
  package var table: TableID
  package var columns: [ColumnSchema]
  /// Sorted by (device, probe).
  package var series: SeriesNames
  package var blocks = BlockTable()
  /// Blocks of several series.
  package var shared = SharedBlocks()
  /// First block of each series, and one past the end.
  package var firstBlock: [UInt32] = [0]

  /// Without blocks.
  package init(table: TableID, columns: [ColumnSchema], series: SeriesNames) {
    self.table = table
    self.columns = columns
    self.series = series
    firstBlock = [UInt32](repeating: 0, count: series.count + 1)
  }

  // MARK: Encoding

  package static func encode(
    table: TableID, columns: [ColumnSchema], series: [SeriesKey], blocks: [BlockEntry],
    shared: [Shared] = [], into out: inout ByteWriter
  ) {
    if !shared.isEmpty {
      out.put(SegmentFormat.IndexForm.mark)
      out.put(SegmentFormat.IndexForm.shared)
    }
    out.varint(UInt64(table))
    out.varint(columns.count)
    for column in columns {
      out.varint(UInt64(column.id))
      out.put(column.type.rawValue)
      out.string(column.name)
    }
    if shared.isEmpty {
      out.varint(series.count)
      for key in series {
        out.string(key.device)
        out.zigzag(Int64(key.probe))
      }
    } else {
      SeriesNames.encode(series, into: &out)
    }
    out.varint(blocks.count)
    var before = Before()
    for block in blocks { encode(block, &before, into: &out) }
    if !shared.isEmpty { encode(shared, into: &out) }
  }

  /// What the next block is written against.
  struct Before {
    var block: BlockEntry?
    var sectionEnd = SegmentFormat.headerByteCount
  }

  private static func encode(
    _ block: BlockEntry, _ before: inout Before, into out: inout ByteWriter
  ) {
    out.varint(block.series - (before.block?.series ?? 0))
    out.put(block.kind.rawValue | (block.isCold ? SegmentFormat.coldKind : 0))
    out.varint(block.rowCount)
    out.zigzag(block.firstTime &- (before.block?.lastTime ?? 0))
    if let regular = block.regular {
      if regular.stepNumerator == before.block?.regular?.stepNumerator,
        regular.stepDenominator == before.block?.regular?.stepDenominator
      {
        out.put(SegmentFormat.TimeForm.regularSameStep)
      } else {
        out.put(SegmentFormat.TimeForm.regular)
        out.varint(UInt64(regular.stepNumerator))
        out.varint(UInt64(regular.stepDenominator))
      }
    } else {
      out.put(SegmentFormat.TimeForm.explicit)
      out.varint(UInt64(bitPattern: block.lastTime &- block.firstTime))
      encode(block.timeSection ?? .inline([]), before.block?.timeSection, &before, into: &out)
    }
    encodeRest(block, &before, into: &out)
    before.block = block
  }

  /// LSNs and columns.
  static func encodeRest(
    _ block: BlockEntry, _ before: inout Before, into out: inout ByteWriter
  ) {
    out.zigzag(Int64(bitPattern: block.oldestLSN &- (before.block?.oldestLSN ?? 0)))
    out.varint(block.newestLSN - block.oldestLSN)
    if let section = block.lsnSection {
      out.put(SegmentFormat.LSNForm.runs)
      encode(section, before.block?.lsnSection, &before, into: &out)
    } else {
      out.put(SegmentFormat.LSNForm.single)
    }
    out.varint(block.columns.count)
    for column in block.columns {
      out.varint(UInt64(column.id))
      encode(column.section, before.block?.column(column.id)?.section, &before, into: &out)
      column.statistics.encode(into: &out)
    }
  }

  static func encode(
    _ section: Section, _ same: Section?, _ before: inout Before, into out: inout ByteWriter
  ) {
    if section == same {
      out.put(SegmentFormat.SectionForm.sameAsBefore)
      return
    }
    switch section {
    case .inline(let bytes):
      out.put(SegmentFormat.SectionForm.inline)
      out.varint(bytes.count)
      out.append(bytes)
    case .stored(let offset, let byteCount, let crc):
      out.put(SegmentFormat.SectionForm.stored)
      out.zigzag(Int64(offset - before.sectionEnd))
      out.varint(byteCount)
      out.put(crc)
      before.sectionEnd = offset + byteCount
    }
  }

  // MARK: Decoding

  /// - Parameters:
  ///   - sectionLimit: where sections must end in the file.
  ///   - baseLSN: is added to the LSNs of blocks.
  /// - Throws: `.corrupt`, `.truncated`; never traps on any bytes.
  package init(
    decoding bytes: RawSpan, sectionLimit: Int, baseLSN: LSN = 0
  ) throws(StorageError) {
    var reader = ByteReader(bytes)
    var isShared = false
    var first = try reader.count(limit: Int(TableID.max))
    if first == Int(SegmentFormat.IndexForm.mark) {
      guard try reader.next(UInt8.self) == SegmentFormat.IndexForm.shared else {
        throw StorageError(.corrupt, "unknown form of an index", offset: reader.offset)
      }
      isShared = true
      first = try reader.count(limit: Int(TableID.max))
    }
    table = TableID(first)
    columns = []
    for _ in 0..<(try reader.count(limit: Int(ColumnID.max))) {
      let id = ColumnID(try reader.count(limit: Int(ColumnID.max)))
      guard let type = ColumnType(rawValue: try reader.next(UInt8.self)) else {
        throw StorageError(.corrupt, "unknown column type", offset: reader.offset)
      }
      columns.append(ColumnSchema(id: id, name: try reader.string(limit: 1024), type: type))
    }
    series =
      isShared
      ? try SeriesNames(against: &reader, table: table) : try SeriesNames(texts: &reader, table: table)
    let blockCount = try reader.count(limit: reader.remaining)
    // A column of a block takes four bytes and more: damage must not make this large.
    blocks.reserve(
      blocks: min(blockCount, reader.remaining / 8),
      cells: min(blockCount * columns.count, reader.remaining / 4))
    firstBlock = []
    firstBlock.reserveCapacity(series.count + 1)
    var before = Before()
    for position in 0..<blockCount {
      var block = try Self.decodeBlock(
        &reader, &before, seriesCount: series.count, sectionLimit: sectionLimit)
      before.block = block
      while firstBlock.count <= block.series { firstBlock.append(UInt32(position)) }
      if baseLSN > 0 {
        block.oldestLSN &+= baseLSN
        block.newestLSN &+= baseLSN
      }
      blocks.append(block)
    }
    while firstBlock.count <= series.count { firstBlock.append(UInt32(blockCount)) }
    if isShared {
      shared = try Self.decodeShared(
        &reader, seriesCount: series.count, sectionLimit: sectionLimit, baseLSN: baseLSN)
    }
    guard reader.isAtEnd else {
      throw StorageError(.corrupt, "bytes behind the index", offset: reader.offset)
    }
  }

  private static func decodeBlock(
    _ reader: inout ByteReader, _ before: inout Before, seriesCount: Int, sectionLimit: Int
  ) throws(StorageError) -> BlockEntry {
    let series = (before.block?.series ?? 0) + (try reader.count(limit: seriesCount))
    let kindByte = try reader.next(UInt8.self)
    guard series < seriesCount,
      let kind = BlockEntry.Kind(rawValue: kindByte & ~SegmentFormat.coldKind)
    else { throw StorageError(.corrupt, "impossible series or kind", offset: reader.offset) }
    let rowCount = try reader.count(limit: BlockGrid.maxRows)
    let firstTime = (try reader.zigzag()) &+ (before.block?.lastTime ?? 0)
    var block = BlockEntry(
      series: series, kind: kind, rowCount: rowCount, firstTime: firstTime, lastTime: firstTime,
      oldestLSN: 0, newestLSN: 0, columns: [])
    block.isCold = kindByte & SegmentFormat.coldKind != 0
    try decodeTimes(&reader, &before, &block, sectionLimit)
    try decodeRest(&reader, &before, &block, sectionLimit)
    return block
  }

  /// LSNs and columns.
  static func decodeRest(
    _ reader: inout ByteReader, _ before: inout Before, _ block: inout BlockEntry,
    _ sectionLimit: Int
  ) throws(StorageError) {
    block.oldestLSN =
      (before.block?.oldestLSN ?? 0) &+ UInt64(bitPattern: try reader.zigzag())
    let (newest, isBeyond) = block.oldestLSN.addingReportingOverflow(try reader.varint())
    // A base of less than 2^63 may be added.
    if isBeyond || newest >> 63 != 0 { throw StorageError(.corrupt, "impossible LSNs of a block", offset: reader.offset) }
    block.newestLSN = newest
    switch try reader.next(UInt8.self) {
    case SegmentFormat.LSNForm.single: break
    case SegmentFormat.LSNForm.runs:
      block.lsnSection = try decodeSection(
        &reader, before.block?.lsnSection, &before, sectionLimit)
    default: throw StorageError(.corrupt, "unknown lsn form", offset: reader.offset)
    }
    for _ in 0..<(try reader.count(limit: Int(ColumnID.max))) {
      let id = ColumnID(try reader.count(limit: Int(ColumnID.max)))
      let section = try decodeSection(
        &reader, before.block?.column(id)?.section, &before, sectionLimit)
      let statistics = try ColumnStatistics.decode(&reader)
      block.columns.append(.init(id: id, section: section, statistics: statistics))
    }
  }

  private static func decodeTimes(
    _ reader: inout ByteReader, _ before: inout Before, _ block: inout BlockEntry,
    _ sectionLimit: Int
  ) throws(StorageError) {
    var step = (
      before.block?.regular?.stepNumerator ?? 0, before.block?.regular?.stepDenominator ?? 0
    )
    switch try reader.next(UInt8.self) {
    case SegmentFormat.TimeForm.explicit:
      block.lastTime = block.firstTime &+ Int64(bitPattern: try reader.varint())
      block.timeSection = try decodeSection(
        &reader, before.block?.timeSection, &before, sectionLimit)
      guard block.rowCount > 0, block.lastTime >= block.firstTime else {
        throw StorageError(.corrupt, "impossible times", offset: reader.offset)
      }
      return
    case SegmentFormat.TimeForm.regular:
      step.0 = Int64(try reader.count(limit: .max))
      step.1 = Int64(try reader.count(limit: .max))
    case SegmentFormat.TimeForm.regularSameStep: break
    default: throw StorageError(.corrupt, "unknown time form", offset: reader.offset)
    }
    guard
      let regular = RegularTimes(
        start: block.firstTime, count: block.rowCount, stepNumerator: step.0,
        stepDenominator: step.1)
    else { throw StorageError(.corrupt, "impossible regular times", offset: reader.offset) }
    block.regular = regular
    block.lastTime = regular.last
  }

  static func decodeSection(
    _ reader: inout ByteReader, _ same: Section?, _ before: inout Before, _ limit: Int
  ) throws(StorageError) -> Section {
    switch try reader.next(UInt8.self) {
    case SegmentFormat.SectionForm.inline:
      let count = try reader.count(limit: Section.inlineLimit)
      return .inline([UInt8](try reader.take(count)))
    case SegmentFormat.SectionForm.stored:
      let offset = before.sectionEnd &+ Int(try reader.zigzag())
      let byteCount = try reader.count(limit: min(limit, Section.storedLimit))
      let crc = try reader.next(UInt32.self)
      guard offset >= SegmentFormat.headerByteCount, offset <= limit - byteCount else {
        throw StorageError(.corrupt, "section outside the file", offset: reader.offset)
      }
      before.sectionEnd = offset + byteCount
      return .stored(offset: offset, byteCount: byteCount, crc: crc)
    case SegmentFormat.SectionForm.sameAsBefore:
      guard let same else {
        throw StorageError(.corrupt, "no section before", offset: reader.offset)
      }
      return same
    default:
      throw StorageError(.corrupt, "unknown section form", offset: reader.offset)
    }
  }
}

extension [UInt8] {
  /// A copy of `bytes`. O(n).
  package init(_ bytes: RawSpan) {
    self = unsafe bytes.withUnsafeBytes { raw in
      // SAFETY: `raw` is valid for the duration of the closure; the bytes are copied.
      unsafe [UInt8](raw)
    }
  }
}
