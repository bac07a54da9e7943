/// One block, open for reading: fetches only the sections that are asked for. Two words, so that
/// plans over thousands of blocks cost next to nothing.
package struct BlockReader: Sendable {
  package let directory: BlockDirectory
  package let position: Int

  package var entry: BlockTable.Row { directory.row(position) }
  package var rowCount: Int { member?.rows.count ?? Int(directory.table.rows[position].rowCount) }
  package var firstTime: Int64 { bounds.lowerBound }
  package var lastTime: Int64 { bounds.upperBound }

  /// Its first and last instant. O(1).
  private var bounds: ClosedRange<Int64> {
    let own = directory.table.rows.count
    guard position < own else { return directory.shared.times(ofMember: position - own) }
    return directory.table.rows[position].firstTime...directory.table.rows[position].lastTime
  }

  /// It is a series' part of a shared block: without statistics of its own, and its LSN bounds are those
  /// of the whole.
  package var isShared: Bool { position >= directory.table.rows.count }

  /// Its place among the members of shared blocks, the block, and its rows in that.
  private var member: (block: Int, number: Int, rows: Range<Int>)? {
    let number = position - directory.table.rows.count
    guard number >= 0 else { return nil }
    let block = directory.shared.block(ofMember: number)
    return (block, number, directory.shared.rows(ofMember: number, in: block))
  }

  package var columns: [ColumnID] {
    member.map { directory.shared.table.columns($0.block) } ?? directory.table.columns(position)
  }

  /// Nil when the block has no such column, or is shared.
  package func statistics(_ column: ColumnID) -> ColumnStatistics? {
    isShared ? nil : directory.table.statistics(position, column)
  }

  /// As `statistics`; of a shared block those of all its rows.
  package func enclosingStatistics(_ column: ColumnID) -> ColumnStatistics? {
    guard let member else { return directory.table.statistics(position, column) }
    return directory.shared.table.statistics(member.block, column)
  }

  /// Of a shared block the share of its rows.
  package func byteCount(_ column: ColumnID) -> Int {
    guard let member else { return directory.table.byteCount(position, column) }
    let table = directory.shared.table
    return table.byteCount(member.block, column) * member.rows.count
      / max(1, Int(table.rows[member.block].rowCount))
  }

  /// What readers of a member need of its block: where its rows are, and the block's decoded parts.
  var sharedPart: (rows: Range<Int>, block: SharedBlock)? {
    member.map { ($0.rows, directory.sharedBlock($0.block)) }
  }

  /// An opened column. Symbols are mapped from the block's own codes to the process's.
  package struct Column: Sendable {
    package var section: ColumnSection
    /// Process-wide code by local code; nil for other types.
    package var codes: [Int64]?
    /// Of a column of texts.
    package var texts: TextHold?
  }

  /// Nil when the block has no such column: null throughout.
  /// - Precondition: it is not shared.
  /// - Throws: `.io`, `.corrupt`, `.truncated`.
  package func column(_ id: ColumnID) throws(StorageError) -> Column? {
    precondition(!isShared, "columns of a shared block are opened once for all its members")
    return try directory.column(id, directory.table.section(position, id), count: rowCount)
  }

  package func times() throws(StorageError) -> SampleTimes {
    if let regular = entry.regular { return .regular(regular) }
    if let sharedPart {
      return .explicit(Array(try sharedPart.block.instants(in: directory)[sharedPart.rows]))
    }
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
    if let sharedPart {
      var runs: [RowSet.LSNRun] = []
      for (row, lsn) in try sharedPart.block.lsns(in: directory)[sharedPart.rows].enumerated() {
        if runs.last?.lsn == lsn { runs.removeLast() }
        runs.append(RowSet.LSNRun(end: row + 1, lsn: lsn))
      }
      return runs
    }
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
  /// - Precondition: `hasPortableLSNs`, and it is not shared.
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
    if let sharedPart { return try rows(of: sharedPart.block, sharedPart.rows) }
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

  /// Those of a member; columns that are null in all of them are left out.
  private func rows(
    of shared: SharedBlock, _ range: Range<Int>
  ) throws(StorageError) -> RowSet {
    var columns: [RowSet.Column] = []
    var texts: [TextHold] = []
    for id in self.columns {
      guard let part = try shared.part(id, range, in: directory) else { continue }
      let own = part.start..<(part.start + range.count)
      let words = part.column.validityWords(own)
      if let words, words.allSatisfy({ $0 == 0 }) { continue }
      columns.append(
        RowSet.Column(id: id, content: .values(Array(part.column.slots[own])), validity: words))
      if let hold = part.texts { texts.append(hold) }
    }
    var rows = RowSet(times: try times(), columns: columns, lsns: try lsns())
    rows.texts = texts
    return rows
  }
}

extension SharedBlock.Column {
  /// The validity of `rows` from bit 0 on; nil when none of them is null.
  func validityWords(_ rows: Range<Int>) -> [UInt64]? {
    guard let validity else { return nil }
    var words = [UInt64](repeating: 0, count: (rows.count + 63) / 64)
    var validCount = 0
    for (place, row) in rows.enumerated() where validity[row / 64] >> UInt64(row % 64) & 1 == 1 {
      words[place / 64] |= 1 << UInt64(place % 64)
      validCount += 1
    }
    return validCount == rows.count ? nil : words
  }
}

extension BlockDirectory {
  /// Opens a column of `count` rows; nil when there is no section, or no such column.
  /// - Throws: `.io`, `.corrupt`, `.truncated`.
  func column(
    _ id: ColumnID, _ section: Section?, count: Int
  ) throws(StorageError) -> BlockReader.Column? {
    guard let section, let type = types[id] else { return nil }
    let bytes = try source.bytes(of: section)
    if type == .text {
      var texts: [String] = []
      let opened = try SymbolColumn(bytes, count: count) {
        texts.append($0)
        return 0
      }
      let hold = TextHold(texts, of: id, in: symbols)
      return BlockReader.Column(
        section: opened.section, codes: texts.indices.map { hold.code($0) }, texts: hold)
    }
    if type == .symbol {
      let opened = try SymbolColumn(bytes, count: count) { self.symbols.code(of: $0) }
      return BlockReader.Column(section: opened.section, codes: opened.codes)
    }
    return BlockReader.Column(section: try ColumnSection(bytes, count: count), codes: nil)
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
