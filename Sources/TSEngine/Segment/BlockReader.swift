/// One block, open for reading: fetches only the sections that are asked for. Two words, so that
/// plans over thousands of blocks cost next to nothing.
package struct BlockReader: Sendable {
  package let directory: BlockDirectory
  package let position: Int

  package var entry: BlockTable.Row { directory.table.rows[position] }
  package var rowCount: Int { Int(directory.table.rows[position].rowCount) }
  package var firstTime: Int64 { directory.table.rows[position].firstTime }
  package var lastTime: Int64 { directory.table.rows[position].lastTime }
  package var columns: [ColumnID] { directory.table.columns(position) }

  /// Nil when the block has no such column.
  package func statistics(_ column: ColumnID) -> ColumnStatistics? {
    directory.table.statistics(position, column)
  }

  package func byteCount(_ column: ColumnID) -> Int { directory.table.byteCount(position, column) }

  /// An opened column. Symbols are mapped from the block's own codes to the process's.
  package struct Column: Sendable {
    package var section: ColumnSection
    /// Process-wide code by local code; nil for other types.
    package var codes: [Int64]?
    /// Of a column of texts.
    package var texts: TextHold?
  }

  /// Nil when the block has no such column: null throughout.
  /// - Throws: `.io`, `.corrupt`, `.truncated`.
  package func column(_ id: ColumnID) throws(StorageError) -> Column? {
    guard let section = directory.table.section(position, id), let type = directory.types[id] else {
      return nil
    }
    let bytes = try directory.source.bytes(of: section)
    if type == .text {
      var texts: [String] = []
      let opened = try SymbolColumn(bytes, count: rowCount) {
        texts.append($0)
        return 0
      }
      let hold = TextHold(texts, of: id, in: directory.symbols)
      return Column(
        section: opened.section, codes: texts.indices.map { hold.code($0) }, texts: hold)
    }
    if type == .symbol {
      let opened = try SymbolColumn(bytes, count: rowCount) { directory.symbols.code(of: $0) }
      return Column(section: opened.section, codes: opened.codes)
    }
    return Column(section: try ColumnSection(bytes, count: rowCount), codes: nil)
  }

  package func times() throws(StorageError) -> SampleTimes {
    if let regular = entry.regular { return .regular(regular) }
    guard let section = directory.table.timeSection(position) else {
      throw StorageError(.corrupt, "block without times")
    }
    let bytes = try directory.source.bytes(of: section)
    let instants = try ColumnSection(bytes, count: rowCount).allSlots()
    guard instants[0] == firstTime, instants[instants.count - 1] == lastTime,
      zip(instants, instants.dropFirst()).allSatisfy({ $0 < $1 })
    else { throw StorageError(.corrupt, "instants do not fit their block") }
    return .explicit(instants)
  }

  package func lsns() throws(StorageError) -> [RowSet.LSNRun] {
    guard let section = directory.table.lsnSection(position) else {
      return [RowSet.LSNRun(end: rowCount, lsn: entry.oldestLSN)]
    }
    var runs = try BlockBuilder.decodeLSNRuns(
      directory.source.bytes(of: section), rowCount: rowCount)
    let base = directory.baseLSN
    for index in runs.indices where base > 0 { runs[index].lsn &+= base }
    return runs
  }

  /// LSNs are written as they are, not counted from a bulk append's own.
  var hasPortableLSNs: Bool { directory.baseLSN == 0 || directory.table.lsnSection(position) == nil }

  /// The block as it lies, for a copy: sections are fetched and checked, not decoded. O(bytes).
  /// - Precondition: `hasPortableLSNs`.
  /// - Throws: `.io`, `.corrupt`, `.truncated`.
  func encoded() throws(StorageError) -> BlockBuilder.Built {
    var bytes: [UInt8] = []
    func place(_ section: Section?) throws(StorageError) -> Section? {
      guard case .stored(_, let byteCount, let crc)? = section else { return section }
      let offset = bytes.count
      if let section { bytes += try directory.source.bytes(of: section) }
      return .stored(offset: offset, byteCount: byteCount, crc: crc)
    }
    let row = entry
    var entry = BlockEntry(
      series: 0, kind: row.kind, rowCount: rowCount, firstTime: firstTime, lastTime: lastTime,
      oldestLSN: row.oldestLSN, newestLSN: row.newestLSN, columns: [])
    entry.isCold = row.isCold
    entry.regular = row.regular
    entry.timeSection = try place(directory.table.timeSection(position))
    entry.lsnSection = try place(directory.table.lsnSection(position))
    for id in columns {
      guard let section = try place(directory.table.section(position, id)),
        let statistics = statistics(id)
      else { continue }
      entry.columns.append(.init(id: id, section: section, statistics: statistics))
    }
    return BlockBuilder.Built(entry: entry, bytes: bytes)
  }

  /// Everything, decoded. O(rows × columns).
  package func rows() throws(StorageError) -> RowSet {
    var columns: [RowSet.Column] = []
    var texts: [TextHold] = []
    for id in self.columns {
      guard let column = try self.column(id) else { continue }
      columns.append(column.decoded(id))
      if let hold = column.texts { texts.append(hold) }
    }
    var rows = RowSet(times: try times(), columns: columns, lsns: try lsns())
    rows.texts = texts
    return rows
  }
}

extension ColumnSection {
  /// The slot that all rows share; nil when they differ or are null.
  var constantSlot: Int64? {
    guard isConstant else { return nil }
    var slots = [Int64](repeating: 0, count: valueCount(page: 0))
    var span = slots.mutableSpan
    decode(pages: 0..<1, into: &span)
    return slots[0]
  }

  var isAllNull: Bool { if case .null = content { true } else { false } }
}

extension BlockReader.Column {
  func decoded(_ id: ColumnID) -> RowSet.Column {
    var slots = section.allSlots()
    if let codes {
      // A local code above the dictionary belongs to a null row.
      for row in slots.indices {
        let local = slots[row]
        slots[row] = local >= 0 && local < Int64(codes.count) ? codes[Int(local)] : 0
      }
    }
    var words: [UInt64]?
    if (0..<section.pageCount).contains(where: { section.hasNulls(page: $0) }) {
      var all: [UInt64] = []
      for page in 0..<section.pageCount {
        let mask = section.validity(page: page)
        for word in 0..<4 { all.append(mask[word]) }
      }
      words = all
    }
    let content: RowSet.Column.Content =
      section.isConstant && !slots.isEmpty ? .constant(slots[0]) : .values(slots)
    return RowSet.Column(id: id, content: content, validity: words)
  }
}

/// A block whose bytes are in memory: a closed chunk of the head.
package struct MemoryBlock: Sendable {
  package let byteCount: Int
  private let directory: BlockDirectory

  package init(_ rows: RowSet, builder: inout BlockBuilder) {
    let built = builder.build(rows, series: 0)
    byteCount = built.bytes.count
    directory = BlockDirectory(
      memory: built.entry, types: builder.types, symbols: builder.symbols,
      source: MemorySections(bytes: built.bytes))
  }

  package var entry: BlockTable.Row { directory.table.rows[0] }
  package var reader: BlockReader { directory.reader(0) }
}

private struct MemorySections: SectionSource {
  let bytes: [UInt8]
  func bytes(of section: Section) throws(StorageError) -> [UInt8] {
    switch section {
    case .inline(let inline): return inline
    case .stored(let offset, let byteCount, _): return Array(bytes[offset..<(offset + byteCount)])
    }
  }
}
