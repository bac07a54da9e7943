/// The body of a frame record in the log (FORMAT.md, "Frame record"): what one device reported in
/// one message. Self-contained: device and symbols are spelled out, so a log segment is read
/// without any other file.
///
///     | version u8 = 1 | table varint | device string | run count varint | run … |
///     run:  | probe zigzag | time kind u8 | times | cell count varint | cell … |
///     time kind 1, regular:  | start i64 | count varint | step numerator varint | denominator varint |
///     time kind 2, explicit: | count varint | packed integers |
///     cell: | column varint | form u8 | content |
///     packed integers: | reference zigzag | width u8 (0 1 2 4 8) | count × width bytes, value − reference |
///
/// Integers are byte-packed against their minimum: the log is written once and read at recovery,
/// and bit packing would cost the writer more than the disk.
package enum FrameRecord {
  static let version: UInt8 = 1

  enum TimeKind { static let regular: UInt8 = 1, explicit: UInt8 = 2 }

  /// Form of a cell; symbols carry their texts.
  enum Form {
    static let constant: UInt8 = 1, values: UInt8 = 2, nullable: UInt8 = 3
    static let constantSymbol: UInt8 = 5, symbols: UInt8 = 6, nullableSymbols: UInt8 = 7
  }

  /// Rows a frame may hold; bounds what a reader allocates.
  package static let maxRows = 1 << 20

  // MARK: Encoding

  /// Appends frame `index` of `batch`; `symbolColumns` are those that hold symbol codes.
  package static func encode(
    _ batch: FrameBatch, frame index: Int, symbols: SymbolTable, symbolColumns: [ColumnID],
    into out: inout ByteWriter
  ) {
    out.put(version)
    out.varint(UInt64(batch.table))
    out.string(batch.frames[index].device)
    let runs = batch.frames[index].runs
    out.varint(runs.count)
    for run in runs {
      encodeStart(of: run, of: batch, into: &out)
      for cell in batch.runs[run].cells {
        if symbolColumns.contains(batch.cells[cell].column) {
          out.varint(UInt64(batch.cells[cell].column))
          encodeSymbols(
            batch.cells[cell], of: batch, count: batch.runs[run].count, symbols: symbols, into: &out)
        } else {
          encodeIntegers(batch.cells[cell], of: batch, count: batch.runs[run].count, into: &out)
        }
      }
    }
  }

  /// Probe, times and number of cells.
  private static func encodeStart(
    of run: Int, of batch: FrameBatch, into out: inout ByteWriter
  ) {
    switch batch.runs[run].times {
    case .regular(let regular):
      out.append(atMost: 64) { fields in
        fields.zigzag(Int64(batch.runs[run].probe))
        fields.put(TimeKind.regular)
        fields.put(regular.start)
        fields.varint(UInt64(regular.count))
        fields.varint(UInt64(regular.stepNumerator))
        fields.varint(UInt64(regular.stepDenominator))
        fields.varint(UInt64(batch.runs[run].cells.count))
      }
    case .explicit(let instants):
      out.zigzag(Int64(batch.runs[run].probe))
      out.put(TimeKind.explicit)
      out.varint(instants.count)
      out.appendPacked(instants.span)
      out.varint(batch.runs[run].cells.count)
    }
  }

  private static func encodeIntegers(
    _ cell: FrameBatch.Cell, of batch: FrameBatch, count: Int, into out: inout ByteWriter
  ) {
    switch cell.content {
    case .constant(let value):
      out.append(atMost: 16) { fields in
        fields.varint(UInt64(cell.column))
        fields.put(Form.constant)
        fields.zigzag(value)
      }
    case .values(let start):
      let values = batch.values.span.extracting(start..<(start + count))
      out.append(atMost: 16 + FieldCursor.packedByteBound(count)) { fields in
        fields.varint(UInt64(cell.column))
        fields.put(Form.values)
        fields.packed(values)
      }
    case .nullable(let start, let validityStart):
      out.varint(UInt64(cell.column))
      out.put(Form.nullable)
      putBits(batch.validity[validityStart..<(validityStart + count)], into: &out)
      out.appendPacked(batch.values.span.extracting(start..<(start + count)))
    }
  }

  private static func encodeSymbols(
    _ cell: FrameBatch.Cell, of batch: FrameBatch, count: Int, symbols: SymbolTable,
    into out: inout ByteWriter
  ) {
    func putText(_ code: Int64) { out.string(symbols.heldText(of: code)) }
    func putCoded(_ codes: ArraySlice<Int64>) {
      var numbers: [Int64: Int64] = [:]
      var texts: [Int64] = []
      let coded = codes.map { code -> Int64 in
        if let known = numbers[code] { return known }
        numbers[code] = Int64(texts.count)
        texts.append(code)
        return Int64(texts.count - 1)
      }
      out.varint(texts.count)
      for code in texts { putText(code) }
      out.appendPacked(coded.span)
    }
    switch cell.content {
    case .constant(let code):
      out.put(Form.constantSymbol)
      putText(code)
    case .values(let start):
      out.put(Form.symbols)
      putCoded(batch.values[start..<(start + count)])
    case .nullable(let start, let validityStart):
      out.put(Form.nullableSymbols)
      putBits(batch.validity[validityStart..<(validityStart + count)], into: &out)
      putCoded(batch.values[start..<(start + count)])
    }
  }

  private static func putBits(_ flags: ArraySlice<Bool>, into out: inout ByteWriter) {
    var byte: UInt8 = 0
    for (index, flag) in flags.enumerated() {
      if flag { byte |= 1 << UInt8(index & 7) }
      if index & 7 == 7 {
        out.put(byte)
        byte = 0
      }
    }
    if flags.count & 7 != 0 { out.put(byte) }
  }

  // MARK: Decoding

  /// Appends the frame in `bytes` to its table's batch; symbols are interned, texts are the batch's own.
  /// - Returns: the table.
  /// - Throws: `.corrupt`, `.truncated`, `.unsupportedVersion`.
  package static func decode(
    _ bytes: RawSpan, symbols: SymbolTable, into batches: inout [TableID: FrameBatch],
    schema: (TableID) -> TableSchema?
  ) throws(StorageError) -> TableID {
    var reader = ByteReader(bytes)
    let (table, device) = try head(&reader)
    let runCount = try reader.count(limit: maxRows)
    // Taken out and put back, so that the arrays are not copied.
    var batch = batches.removeValue(forKey: table) ?? FrameBatch(table: table)
    defer { batches[table] = batch }
    batch.beginFrame(device: device)
    let texts = schema(table)?.columns.filter { $0.type == .text }.map(\.id) ?? []
    for _ in 0..<runCount {
      let probe = Int32(truncatingIfNeeded: try reader.zigzag())
      guard let times = try times(&reader, atMost: maxRows) else { continue }
      batch.beginRun(probe: probe, times: times)
      for _ in 0..<(try reader.count(limit: Int(ColumnID.max))) {
        let column = ColumnID(try reader.count(limit: Int(ColumnID.max)))
        guard !batch.hasCell(of: column) else {
          throw StorageError(.corrupt, "a column twice in a run", offset: reader.offset)
        }
        try decodeCell(
          &reader, column, count: times.count, symbols: symbols, isText: texts.contains(column),
          into: &batch)
      }
    }
    guard reader.isAtEnd else {
      throw StorageError(.corrupt, "bytes behind a frame record", offset: reader.offset)
    }
    return table
  }

  /// Table and device; `reader` stands before the number of runs then.
  /// - Throws: as `decode`.
  static func head(
    _ reader: inout ByteReader
  ) throws(StorageError) -> (table: TableID, device: String) {
    guard try reader.next(UInt8.self) == version else {
      throw StorageError(.unsupportedVersion, "frame record of an unknown version", offset: 0)
    }
    let table = TableID(try reader.count(limit: Int(TableID.max)))
    return (table, try reader.string(limit: 128))
  }

  /// Nil when they are more than `limit`.
  static func times(
    _ reader: inout ByteReader, atMost limit: Int
  ) throws(StorageError) -> SampleTimes? {
    switch try reader.next(UInt8.self) {
    case TimeKind.regular:
      let start = try reader.next(Int64.self)
      let count = try reader.count(limit: maxRows)
      let numerator = Int64(try reader.count(limit: .max))
      let denominator = Int64(try reader.count(limit: .max))
      guard
        let times = RegularTimes(
          start: start, count: count, stepNumerator: numerator, stepDenominator: denominator)
      else { throw StorageError(.corrupt, "impossible regular times", offset: reader.offset) }
      return count > limit ? nil : .regular(times)
    case TimeKind.explicit:
      let count = try reader.count(limit: maxRows)
      if count > limit { return nil }
      let instants = try unpack(&reader, count: count)
      guard count > 0, zip(instants, instants.dropFirst()).allSatisfy({ $0 < $1 }) else {
        throw StorageError(.corrupt, "instants not increasing", offset: reader.offset)
      }
      return .explicit(instants)
    default:
      throw StorageError(.corrupt, "unknown time kind", offset: reader.offset)
    }
  }

  private static func decodeCell(
    _ reader: inout ByteReader, _ column: ColumnID, count: Int, symbols: SymbolTable, isText: Bool,
    into batch: inout FrameBatch
  ) throws(StorageError) {
    func code(_ text: String) -> Int64 {
      isText ? batch.code(of: text, column: column, in: symbols) : symbols.code(of: text)
    }
    switch try reader.next(UInt8.self) {
    case Form.constant:
      batch.add(column, constant: try reader.zigzag())
    case Form.values:
      batch.add(column, try PackedIntegers(&reader, count: count))
    case Form.nullable:
      let valid = try bits(&reader, count: count)
      batch.add(column, try unpack(&reader, count: count), valid: valid)
    case Form.constantSymbol:
      let text = try reader.string()
      batch.add(column, constant: code(text))
    case Form.symbols:
      let codes = try unpackSymbols(&reader, count: count, code)
      batch.add(column, codes)
    case Form.nullableSymbols:
      let valid = try bits(&reader, count: count)
      let codes = try unpackSymbols(&reader, count: count, code)
      batch.add(column, codes, valid: valid)
    default:
      throw StorageError(.corrupt, "unknown cell form", offset: reader.offset)
    }
  }

  private static func bits(_ reader: inout ByteReader, count: Int) throws(StorageError) -> [Bool] {
    let bytes = try reader.take((count + 7) / 8)
    return (0..<count).map { index in
      // In bounds: index/8 < ⌈count/8⌉, the length taken.
      bytes.byte(at: index / 8) >> UInt8(index & 7) & 1 == 1
    }
  }

  private static func unpack(
    _ reader: inout ByteReader, count: Int
  ) throws(StorageError) -> [Int64] {
    let packed = try PackedIntegers(&reader, count: count)
    var values: [Int64] = []
    values.append(addingCapacity: count) { packed.append(to: &$0) }
    return values
  }

  private static func unpackSymbols(
    _ reader: inout ByteReader, count: Int, _ code: (String) -> Int64
  ) throws(StorageError) -> [Int64] {
    let textCount = try reader.count(limit: min(count, reader.remaining))
    var codes: [Int64] = []
    for _ in 0..<textCount { codes.append(code(try reader.string())) }
    var values = try unpack(&reader, count: count)
    for index in values.indices {
      guard values[index] >= 0, values[index] < Int64(codes.count) else {
        throw StorageError(.corrupt, "symbol out of range", offset: reader.offset)
      }
      values[index] = codes[Int(values[index])]
    }
    return values
  }
}

extension RawSpan {
  /// Byte at `index`; traps when out of bounds.
  func byte(at index: Int) -> UInt8 {
    precondition(index >= 0 && index < byteCount, "byte out of bounds")
    // SAFETY: the precondition proves the bounds.
    return unsafe unsafeLoad(fromByteOffset: index, as: UInt8.self)
  }
}
