/// Leaves from the bytes of a frame's record, its rows not decoded.
extension LeafWriter {
  /// What a leaf that was written is of.
  struct RunHead {
    let probe: Int32
    /// The first instant.
    let time: Int64
  }

  /// Writes the leaf of the run that `reader` stands before.
  /// - Returns: nil for a run that takes more: of more than 64 instants, of columns out of order or unknown.
  /// - Throws: `.corrupt`, `.truncated` for bytes that are no run.
  mutating func write(
    _ reader: inout ByteReader, of record: RawSpan, _ schema: LeafSchema, lsn: LSN, device: String
  ) throws(StorageError) -> RunHead? {
    let probe = Int32(truncatingIfNeeded: try reader.zigzag())
    guard let times = try FrameRecord.times(&reader, atMost: ProofFormat.leafInstantCount) else { return nil }
    begin(schema, lsn, device, probe, count: times.count)
    switch times {
    case .regular(let regular) where regular.stepDenominator == 1:
      out.append(atMost: 32) { fields in
        fields.put(ProofFormat.TimesForm.even)
        fields.put(regular.start)
        if regular.count > 1 { fields.varint(UInt64(regular.stepNumerator)) }
      }
    default: put((0..<times.count).map { times.tick($0) })
    }
    let cellCount = try reader.count(limit: Int(ColumnID.max))
    // One byte tells how many columns are not all null; it is known behind them.
    guard cellCount < 0x80 else { return nil }
    let presentAt = out.count
    out.put(UInt8(0))
    var (present, next) = (UInt8(0), 0)
    for _ in 0..<cellCount {
      let id = ColumnID(try reader.count(limit: Int(ColumnID.max)))
      while next < schema.columns.count, schema.columns[next].id < id { next += 1 }
      guard next < schema.columns.count, schema.columns[next].id == id else { return nil }
      switch try put(&reader, of: record, times.count, schema.columns[next]) {
      case .other: return nil
      case .null: break
      case .present: present += 1
      }
      next += 1
    }
    out.bytes[presentAt] = present
    finish()
    return RunHead(probe: probe, time: times.tick(0))
  }

  private enum Put { case present, null, other }

  private mutating func put(
    _ reader: inout ByteReader, of record: RawSpan, _ count: Int, _ column: LeafSchema.Column
  ) throws(StorageError) -> Put {
    let isText = column.type == .symbol || column.type == .text
    let form = try reader.next(UInt8.self)
    switch form {
    case FrameRecord.Form.constant where !isText:
      out.append(column.head)
      out.put(ProofFormat.ColumnForm.constant)
      put(try reader.zigzag(), column.type)
    case FrameRecord.Form.values where !isText:
      put(try PackedIntegers(&reader, count: count), column)
    case FrameRecord.Form.constantSymbol where isText:
      let length = try reader.count(limit: record.byteCount)
      out.append(column.head)
      out.put(ProofFormat.ColumnForm.constant)
      out.varint(length)
      out.append(try reader.take(length))
    case FrameRecord.Form.nullable where !isText, FrameRecord.Form.nullableSymbols where isText:
      let bits = try reader.take((count + 7) / 8)
      var valid: UInt64 = 0
      for byte in 0..<bits.byteCount { valid |= UInt64(bits.byte(at: byte)) << UInt64(8 * byte) }
      valid &= .max >> UInt64(64 - count)
      let texts = isText ? try Self.texts(&reader, of: record, count) : nil
      let packed = try PackedIntegers(&reader, count: count)
      if valid == 0 { return .null }
      if valid == .max >> UInt64(64 - count) {
        return try put(packed, texts, of: record, column)
      }
      out.append(column.head)
      out.put(ProofFormat.ColumnForm.nullable)
      for byte in 0..<bits.byteCount { out.put(UInt8(truncatingIfNeeded: valid >> UInt64(8 * byte))) }
      for row in 0..<count where valid >> UInt64(row) & 1 == 1 {
        try put(packed[row], texts, of: record, column.type)
      }
    case FrameRecord.Form.symbols where isText:
      let texts = try Self.texts(&reader, of: record, count)
      return try put(try PackedIntegers(&reader, count: count), texts, of: record, column)
    default: return .other
    }
    return .present
  }

  /// Rows none of which is null.
  private mutating func put(
    _ packed: PackedIntegers, _ texts: [Range<Int>]?, of record: RawSpan, _ column: LeafSchema.Column
  ) throws(StorageError) -> Put {
    guard let texts else {
      put(packed, column)
      return .present
    }
    let first = try Self.text(packed[0], texts, of: record)
    var isConstant = true
    for row in 1..<max(1, packed.count) where isConstant {
      isConstant = try Self.text(packed[row], texts, of: record).hasSameBytes(as: first)
    }
    out.append(column.head)
    out.put(isConstant ? ProofFormat.ColumnForm.constant : ProofFormat.ColumnForm.values)
    for row in 0..<(isConstant ? 1 : packed.count) {
      try put(packed[row], texts, of: record, column.type)
    }
    return .present
  }

  private mutating func put(_ packed: PackedIntegers, _ column: LeafSchema.Column) {
    out.append(column.head)
    if packed.isConstant {
      out.put(ProofFormat.ColumnForm.constant)
      return put(packed[0], column.type)
    }
    out.append(atMost: 1 + packed.count * 10) { fields in
      fields.put(ProofFormat.ColumnForm.values)
      switch column.type {
      case .float: packed.forEach { fields.put($0) }
      case .bool: packed.forEach { fields.put(UInt8(truncatingIfNeeded: $0 & 1)) }
      default: packed.forEach { fields.zigzag($0) }
      }
    }
  }

  /// One value; what it stands for among `texts`, when there are.
  private mutating func put(
    _ slot: Int64, _ texts: [Range<Int>]?, of record: RawSpan, _ type: ColumnType
  ) throws(StorageError) {
    guard let texts else { return put(slot, type) }
    let text = try Self.text(slot, texts, of: record)
    out.varint(text.byteCount)
    out.append(text)
  }

  /// Where the texts lie in `record` that the rows are numbers of.
  private static func texts(
    _ reader: inout ByteReader, of record: RawSpan, _ count: Int
  ) throws(StorageError) -> [Range<Int>] {
    var texts: [Range<Int>] = []
    for _ in 0..<(try reader.count(limit: count)) {
      let length = try reader.count(limit: record.byteCount)
      texts.append(reader.offset..<(reader.offset + length))
      _ = try reader.take(length)
    }
    return texts
  }

  @_lifetime(copy record)
  private static func text(
    _ number: Int64, _ texts: [Range<Int>], of record: RawSpan
  ) throws(StorageError) -> RawSpan {
    guard let place = Int(exactly: number), texts.indices.contains(place) else {
      throw StorageError(.corrupt, "symbol out of range")
    }
    return record.extracting(texts[place])
  }
}
