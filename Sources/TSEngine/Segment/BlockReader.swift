/// One block, open for reading: fetches only the sections that are asked for. A reference, made
/// once a segment is open, so that plans over thousands of blocks copy no entries.
package final class BlockReader: Sendable {
  package let entry: BlockEntry
  package let source: any SectionSource
  /// Types of the table's columns as they were when the block was written.
  package let types: [ColumnID: ColumnType]
  package let symbols: SymbolTable
  /// Added to the LSNs in the LSN section.
  private let baseLSN: LSN

  package init(
    entry: BlockEntry, source: any SectionSource, types: [ColumnID: ColumnType],
    symbols: SymbolTable, baseLSN: LSN = 0
  ) {
    self.baseLSN = baseLSN
    self.entry = entry
    self.source = source
    self.types = types
    self.symbols = symbols
  }

  /// An opened column. Symbols are mapped from the block's own codes to the process's.
  package struct Column: Sendable {
    package var section: ColumnSection
    /// Process-wide code by local code; nil for other types.
    package var codes: [Int64]?
  }

  /// Nil when the block has no such column: null throughout.
  /// - Throws: `.io`, `.corrupt`, `.truncated`.
  package func column(_ id: ColumnID) throws(StorageError) -> Column? {
    guard let column = entry.column(id), let type = types[id] else { return nil }
    let bytes = try source.bytes(of: column.section)
    if type == .symbol || type == .text {
      let opened = try SymbolColumn(bytes, count: entry.rowCount) { symbols.code(of: $0) }
      return Column(section: opened.section, codes: opened.codes)
    }
    return Column(section: try ColumnSection(bytes, count: entry.rowCount), codes: nil)
  }

  package func times() throws(StorageError) -> SampleTimes {
    if let regular = entry.regular { return .regular(regular) }
    guard let section = entry.timeSection else {
      throw StorageError(.corrupt, "block without times")
    }
    let instants = try ColumnSection(source.bytes(of: section), count: entry.rowCount).allSlots()
    guard instants[0] == entry.firstTime, instants[instants.count - 1] == entry.lastTime,
      zip(instants, instants.dropFirst()).allSatisfy({ $0 < $1 })
    else { throw StorageError(.corrupt, "instants do not fit their block") }
    return .explicit(instants)
  }

  package func lsns() throws(StorageError) -> [RowSet.LSNRun] {
    guard let section = entry.lsnSection else {
      return [RowSet.LSNRun(end: entry.rowCount, lsn: entry.oldestLSN)]
    }
    var runs = try BlockBuilder.decodeLSNRuns(
      source.bytes(of: section), rowCount: entry.rowCount)
    for index in runs.indices where baseLSN > 0 { runs[index].lsn &+= baseLSN }
    return runs
  }

  /// Everything, decoded. O(rows × columns).
  package func rows() throws(StorageError) -> RowSet {
    var columns: [RowSet.Column] = []
    for described in entry.columns {
      guard let column = try self.column(described.id) else { continue }
      columns.append(column.decoded(described.id))
    }
    return RowSet(times: try times(), columns: columns, lsns: try lsns())
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
  package let entry: BlockEntry
  package let bytes: [UInt8]
  private let types: [ColumnID: ColumnType]
  private let symbols: SymbolTable

  package init(_ rows: RowSet, builder: inout BlockBuilder) {
    let built = builder.build(rows, series: 0)
    entry = built.entry
    bytes = built.bytes
    types = builder.types
    symbols = builder.symbols
  }

  package var reader: BlockReader {
    BlockReader(entry: entry, source: MemorySections(bytes: bytes), types: types, symbols: symbols)
  }
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
