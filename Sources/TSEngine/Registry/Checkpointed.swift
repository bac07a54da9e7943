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
      self.value(value)
    }
  }

  mutating func value(_ value: FieldValue) {
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
      fields[name] = try value()
    }
    return fields
  }

  @_lifetime(self: copy self)
  mutating func value() throws(StorageError) -> FieldValue {
    switch try next(UInt8.self) {
    case 0: return .null
    case 1: return .bool(false)
    case 2: return .bool(true)
    case 3: return .int(try next(Int64.self))
    case 4: return .float(Double(bitPattern: try next(UInt64.self)))
    case 5: return .text(try string())
    case 6: return .json(try string())
    case let other: throw StorageError(.corrupt, "field value of kind \(other)", offset: offset)
    }
  }
}
