/// Encodes rows of one series into a block: sections for times, LSN runs and columns, and the
/// entry that describes them. Keeps its scratch between blocks; one a thread.
package struct BlockBuilder {
  /// A block that is not in a file yet: sections lie in `bytes`, offsets counted from its start.
  package struct Built: Sendable {
    package var entry: BlockEntry
    package var bytes: [UInt8]
  }

  /// Which rows go into blocks that series share.
  package struct Sharing: Sendable {
    /// Fewer rows of a series in a cell of the grid than this do not get a block of their own ...
    package var rowsBelow = 64
    /// ... unless fewer members than this come together.
    package var leastMembers = 8
    /// A shared block is full with so many.
    package var blockRows = 2_048

    package init() {}
  }

  var encoder = ColumnEncoder()
  var scratch = ByteWriter()
  package let sharing: Sharing
  package let types: [ColumnID: ColumnType]
  package let symbols: SymbolTable

  /// Blocks that end before this instant take the cold form.
  private let coldBefore: Int64

  package init(
    schema: TableSchema, symbols: SymbolTable, coldBefore: Int64 = .min, sharing: Sharing = Sharing()
  ) {
    self.coldBefore = coldBefore
    self.sharing = sharing
    types = Dictionary(uniqueKeysWithValues: schema.columns.map { ($0.id, $0.type) })
    self.symbols = symbols
  }

  /// Whether the schema has all of `columns`; rows with others cannot be built without loss.
  package func knows(_ columns: [RowSet.Column]) -> Bool { knows(columns: columns.map(\.id)) }

  func knows(columns: [ColumnID]) -> Bool { columns.allSatisfy { types[$0] != nil } }

  /// Whether a block that ends at `lastTime` takes the cold form.
  func isCold(_ lastTime: Int64) -> Bool { lastTime < coldBefore }

  /// The block of `range`, or of all rows; columns are read where they lie.
  /// - Precondition: 1 ... `BlockGrid.maxRows` rows (any number in memory), of known columns.
  package mutating func build(
    _ whole: RowSet, _ range: Range<Int>? = nil, series: Int, kind: BlockEntry.Kind = .main
  ) -> Built {
    let range = range ?? 0..<whole.count
    let rows = whole.frame(range)
    var bytes: [UInt8] = []
    var entry = BlockEntry(
      series: series, kind: kind, rowCount: rows.count, firstTime: rows.times.first,
      lastTime: rows.times.last, oldestLSN: rows.lsns.map(\.lsn).min() ?? 0,
      newestLSN: rows.lsns.map(\.lsn).max() ?? 0, columns: [])
    entry.isCold = isCold(rows.times.last)
    encoder.isCold = entry.isCold
    switch rows.times {
    case .regular(let regular): entry.regular = regular
    case .explicit(let instants):
      scratch.bytes.removeAll(keepingCapacity: true)
      _ = encoder.encode(instants.span, type: .int, into: &scratch)
      entry.timeSection = Self.place(scratch.bytes, in: &bytes)
    }
    if rows.lsns.count > 1 {
      entry.lsnSection = Self.place(encode(rows.lsns), in: &bytes)
    }
    for column in whole.columns {
      guard let type = types[column.id] else { preconditionFailure("a column of the schema") }
      scratch.bytes.removeAll(keepingCapacity: true)
      let statistics = encode(column, range, type: type)
      entry.columns.append(
        .init(
          id: column.id, section: Self.place(scratch.bytes, in: &bytes), statistics: statistics))
    }
    return Built(entry: entry, bytes: bytes)
  }

  /// Tiny sections go into the index.
  static func place(_ section: [UInt8], in bytes: inout [UInt8]) -> Section {
    if section.count <= Section.inlineLimit { return .inline(section) }
    let offset = bytes.count
    bytes.append(contentsOf: section)
    return .stored(
      offset: offset, byteCount: section.count, crc: CRC32C.checksum(section.rawSpan))
  }

  /// `| runs varint | bytes of the lengths varint | lengths as a section | LSNs as a section |`
  private mutating func encode(_ runs: [RowSet.LSNRun]) -> [UInt8] {
    var lengths: [Int64] = []
    var lsns: [Int64] = []
    var start = 0
    for run in runs {
      lengths.append(Int64(run.end - start))
      lsns.append(Int64(bitPattern: run.lsn))
      start = run.end
    }
    var section = ByteWriter()
    _ = encoder.encode(lengths.span, type: .int, into: &section)
    let lengthBytes = section.bytes
    section = ByteWriter()
    section.varint(runs.count)
    section.varint(lengthBytes.count)
    section.append(lengthBytes)
    _ = encoder.encode(lsns.span, type: .int, into: &section)
    return section.bytes
  }

  private mutating func encode(
    _ column: RowSet.Column, _ range: Range<Int>, type: ColumnType
  ) -> ColumnStatistics {
    let valid = column.validity.map { words in
      range.map { words[$0 / 64] >> UInt64($0 % 64) & 1 == 1 }
    }
    switch column.content {
    case .constant(let value) where valid == nil && (type == .int || type == .bool):
      return encoder.encode(constant: value, count: range.count, into: &scratch)
    case .constant(let value):
      return encode([Int64](repeating: value, count: range.count).span, valid, type)
    case .values(let slots): return encode(slots.span.extracting(range), valid, type)
    }
  }

  mutating func encode(
    _ slots: Span<Int64>, _ valid: [Bool]?, _ type: ColumnType
  ) -> ColumnStatistics {
    if type == .symbol || type == .text {
      let texts = symbols.texts()
      let text = { [symbols] (code: Int64) in
        texts.indices.contains(Int(code)) ? texts[Int(code)] : symbols.heldText(of: code)
      }
      guard let valid else {
        return SymbolColumn.encode(
          slots, valid: nil, text: text, using: &encoder, into: &scratch)
      }
      return SymbolColumn.encode(
        slots, valid: valid.span, text: text, using: &encoder, into: &scratch)
    }
    guard let valid else { return encoder.encode(slots, type: type, into: &scratch) }
    return encoder.encode(slots, valid: valid.span, type: type, into: &scratch)
  }

  // MARK: The other way

  /// - Throws: `.corrupt`, `.truncated`.
  package static func decodeLSNRuns(
    _ bytes: [UInt8], rowCount: Int
  ) throws(StorageError) -> [RowSet.LSNRun] {
    var reader = ByteReader(bytes.rawSpan)
    let runCount = try reader.count(limit: rowCount)
    let lengthByteCount = try reader.count(limit: reader.remaining)
    let start = reader.offset
    _ = try reader.take(lengthByteCount)
    let middle = reader.offset
    let lengths = try ColumnSection(bytes, in: start..<middle, count: runCount).allSlots()
    let lsns = try ColumnSection(bytes, in: middle..<bytes.count, count: runCount).allSlots()
    var runs: [RowSet.LSNRun] = []
    runs.reserveCapacity(runCount)
    var end = 0
    for (length, lsn) in zip(lengths, lsns) {
      guard length > 0, length <= Int64(rowCount - end) else {
        throw StorageError(.corrupt, "impossible lsn run", offset: start)
      }
      end += Int(length)
      runs.append(RowSet.LSNRun(end: end, lsn: UInt64(bitPattern: lsn)))
    }
    guard end == rowCount else { throw StorageError(.corrupt, "lsn runs short", offset: start) }
    return runs
  }
}

extension ColumnSection {
  /// All slots; null ones hold any value. O(n).
  package func allSlots() -> [Int64] {
    var slots = [Int64](repeating: 0, count: count)
    var span = slots.mutableSpan
    decode(pages: 0..<pageCount, into: &span)
    return slots
  }
}
