import TSEngine

/// What the columns of a file are, by the names in its header.
struct ImportColumns {
  enum Role {
    /// The unit, or nil when the number tells by its size (and a text is RFC 3339).
    case time(Instant.Unit?)
    case device
    case probe
    /// Position in `values`.
    case value(Int)
  }

  private(set) var roles: [Role] = []
  /// The table's columns that the file has, in the file's order.
  private(set) var values: [ColumnSchema] = []

  init(_ names: [String], _ table: TableSchema) throws(ImportError) {
    var hasTime = false
    var hasDevice = false
    var hasProbe = false
    for name in names {
      guard let role = Self.role(of: name) else {
        guard let index = table.index(ofColumn: name) else {
          let known = table.columns.map(\.name).joined(separator: ", ")
          throw .header("the table \(table.name) has no column \"\(name)\" (it has \(known))")
        }
        let column = table.columns[index]
        guard !values.contains(where: { $0.id == column.id }) else {
          throw .header("the column \"\(name)\" is there twice")
        }
        guard values.count < 64 else { throw .header("more than 64 columns") }
        roles.append(.value(values.count))
        values.append(column)
        continue
      }
      let isTwice: Bool
      switch role {
      case .time: (isTwice, hasTime) = (hasTime, true)
      case .device: (isTwice, hasDevice) = (hasDevice, true)
      case .probe: (isTwice, hasProbe) = (hasProbe, true)
      case .value: isTwice = false
      }
      guard !isTwice else { throw .header("\"\(name)\" says what another column says") }
      roles.append(role)
    }
    guard hasTime else { throw .header("no time column (ts, time, timestamp, timestamp_ms, …)") }
    guard hasDevice else {
      throw .header("no sensor column (sensor, sensor_id, device, device_id)")
    }
  }

  func holdsText(_ role: Role) -> Bool {
    guard case .value(let index) = role else { return false }
    return values[index].type == .text && !values[index].isJSON
  }

  /// The role of a name that is not a column's.
  static func role(of name: String) -> Role? {
    switch name.lowercased() {
    case "ts", "time", "timestamp": .time(nil)
    case "timestamp_s": .time(.seconds)
    case "timestamp_ms": .time(.millis)
    case "timestamp_us": .time(.micros)
    case "timestamp_ns": .time(.nanos)
    case "sensor", "sensor_id", "device", "device_id": .device
    case "probe", "probe_id": .probe
    default: nil
    }
  }
}

/// What the keys of an object mean, found by comparing one number; other spellings (upper case,
/// escapes, long names) are looked up as text.
struct ImportKeys {
  typealias Meaning = (role: ImportColumns.Role, bit: Int)
  private var short: [(key: ShortKey, meaning: Meaning)] = []
  private let table: TableSchema

  init(_ table: TableSchema) {
    self.table = table
    let names = [
      "ts", "time", "timestamp", "timestamp_s", "timestamp_ms", "timestamp_us", "timestamp_ns",
      "sensor", "sensor_id", "device", "device_id", "probe", "probe_id",
    ]
    for name in table.columns.map(\.name) + names {
      guard let key = ShortKey(name.utf8), let meaning = meaning(of: name) else { continue }
      short.append((key, meaning))
    }
  }

  /// The role, and its bit: 0 to 2 for time, device and probe, then one for each column.
  private func meaning(of name: String) -> Meaning? {
    switch ImportColumns.role(of: name) {
    case .time(let unit): return (.time(unit), 0)
    case .device: return (.device, 1)
    case .probe: return (.probe, 2)
    case .value, nil:
      guard let index = table.index(ofColumn: name), index < 60 else { return nil }
      return (.value(index), index + 3)
    }
  }

  func meaning(of name: JSONString, _ cursor: borrowing JSONCursor) -> Meaning? {
    if let key = cursor.shortKey(of: name) {
      for known in short where known.key == key { return known.meaning }
    }
    return meaning(of: cursor.text(of: name))
  }
}

/// Text of one field to its slot.
struct FieldReader {
  let texts: ImportTexts

  /// What the cursor stands on as an instant; the caller checks where it ends.
  @inline(__always) func number(
    _ cursor: inout JSONCursor, _ unit: Instant.Unit?
  ) throws(Fault) -> Int64 {
    if unit == .millis, let millis = cursor.integer() {
      let (nanos, overflow) = millis.multipliedReportingOverflow(by: 1_000_000)
      if !overflow { return nanos }
      throw Fault(.range, "an instant outside 1677-2262")
    }
    let decimal = try cursor.number()
    guard let nanos = Instant.nanos(decimal, unit ?? Instant.unit(ofMagnitude: decimal)) else {
      throw Fault(.range, "an instant outside 1677-2262, or finer than 1 ns")
    }
    return nanos
  }

  @inline(__always) func integer(
    _ cursor: inout JSONCursor, _ column: ColumnSchema
  ) throws(Fault) -> Int64 {
    let value: Int64
    if let fast = cursor.integer() {
      value = fast
    } else {
      guard let exact = try cursor.number().scaled() else {
        throw Fault(.range, "\(column.name): a number that the column cannot hold exactly")
      }
      value = exact
    }
    try check(value, column)
    return value
  }

  func check(_ value: Int64, _ column: ColumnSchema) throws(Fault) {
    guard value >= column.minimum ?? .min, value <= column.maximum ?? .max else {
      throw Fault(.range, "\(column.name): out of the column's range")
    }
  }

  /// A value of a column that is no integer, from its text.
  func slot(_ text: String, _ column: ColumnSchema) throws(Fault) -> Int64 {
    switch column.type {
    case .symbol, .text:
      guard text.utf8.count <= ColumnSchema.textByteLimit else {
        throw Fault(.range, "\(column.name): a text of more than 64 KiB")
      }
      if column.isJSON, !JSONCheck.isJSON(text.utf8) { throw Fault(.type, "\(column.name): JSON expected") }
      return texts.code(of: text, column)
    case .bool:
      switch text.lowercased() {
      case "true", "t", "1": return 1
      case "false", "f", "0": return 0
      default: throw Fault(.type, "\(column.name): true or false expected")
      }
    case .float:
      // What is too large for a double would come as infinite; it must be said so.
      guard let number = Double(text), number.isFinite || text.utf8.contains(where: { $0 | 0x20 == UInt8(ascii: "n") })
      else { throw Fault(.type, "\(column.name): a number expected") }
      let slot = Int64(bitPattern: number.bitPattern)
      guard column.accepts(slot) else { throw Fault(.range, "\(column.name): out of the column's range") }
      return slot
    case .int:
      let bytes = Array(text.utf8)
      let span = bytes.span
      // SAFETY: `span` borrows `bytes`, which live to the end of this call.
      var cursor = unsafe JSONCursor(span.bytes)
      let value = try integer(&cursor, column)
      guard cursor.isAtEnd else { throw Fault(.type, "\(column.name): a number expected") }
      return value
    }
  }

  /// `[A-Za-z0-9._-]{1,128}` (S8).
  static func isDeviceID(_ text: some Collection<UInt8>) -> Bool {
    1...128 ~= text.count
      && text.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
          UInt8(ascii: "-"):
          true
        default: false
        }
      }
  }
}
