/// A projection that can be written to a checkpoint and read back.
///
/// `encode` is canonical: equal projections give equal bytes, whatever way they came about. The
/// registry's digest is the hash of these bytes, so a checkpoint proves itself.
protocol Checkpointed {
  func encode(into writer: inout ByteWriter)
  /// - Throws: `.truncated`, `.corrupt`.
  init(from reader: inout ByteReader) throws(StorageError)
}

extension ByteWriter {
  mutating func optional(_ value: Int64?) {
    put(UInt8(value == nil ? 0 : 1))
    if let value { put(value) }
  }

  mutating func fields(_ fields: [String: FieldValue]) {
    varint(fields.count)
    for (name, value) in fields.sorted(by: { $0.key < $1.key }) {
      string(name)
      switch value {
      case .null: put(UInt8(0))
      case .bool(let value): put(UInt8(value ? 2 : 1))
      case .int(let value):
        put(UInt8(3))
        put(value)
      case .float(let value):
        put(UInt8(4))
        put(value.bitPattern)
      case .text(let value):
        put(UInt8(5))
        string(value)
      case .json(let value):
        put(UInt8(6))
        string(value)
      }
    }
  }
}

extension ByteReader {
  @_lifetime(self: copy self)
  mutating func optional() throws(StorageError) -> Int64? {
    try next(UInt8.self) == 0 ? nil : try next(Int64.self)
  }

  @_lifetime(self: copy self)
  mutating func fields() throws(StorageError) -> [String: FieldValue] {
    var fields: [String: FieldValue] = [:]
    for _ in 0..<(try count(limit: remaining)) {
      let name = try string()
      switch try next(UInt8.self) {
      case 0: fields[name] = .null
      case 1: fields[name] = .bool(false)
      case 2: fields[name] = .bool(true)
      case 3: fields[name] = .int(try next(Int64.self))
      case 4: fields[name] = .float(Double(bitPattern: try next(UInt64.self)))
      case 5: fields[name] = .text(try string())
      case 6: fields[name] = .json(try string())
      case let other: throw StorageError(.corrupt, "field value of kind \(other)", offset: offset)
      }
    }
    return fields
  }
}
