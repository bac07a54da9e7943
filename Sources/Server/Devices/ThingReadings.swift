import Query
import TSEngine

/// The `data` channel (D-21): one object of readings by name, or a list of them, to a row of the type's table.
enum ThingReadings {
  struct Wrong: Error, Equatable {
    let sentence: String
    init(_ sentence: String) { self.sentence = sentence }
  }

  /// Symbols are kept for good.
  private static let symbolByteLimit = 255

  private struct Row {
    var time: Int64
    var values: [(column: ColumnSchema, value: JSONTree)] = []
  }

  /// - Parameter receivedAt: the time of readings that come without one; nil refuses such.
  /// - Returns: nil where the message holds no reading that the type knows.
  static func batch(
    _ payload: [UInt8], device: String, schema: TableSchema, receivedAt: Int64?, _ symbols: SymbolTable
  ) throws(Wrong) -> FrameBatch? {
    guard case .object(let members)? = JSONTree.parse(payload) else { throw Wrong("not a JSON object") }
    var rows: [Row] = []
    guard let time = try members["timestamp"].map(time) ?? receivedAt else {
      throw Wrong("a retained reading must say when it was taken")
    }
    if case .array(let items)? = members["readings"], schema.index(ofColumn: "readings") == nil {
      for item in items {
        guard case .object(let reading) = item, case .text(let name)? = reading["type"], let value = reading["value"]
        else { throw Wrong("a reading of the list lacks \"type\" or \"value\"") }
        add(name, value, at: try reading["timestamp"].map(self.time) ?? time, schema, to: &rows)
      }
    } else {
      for (name, value) in members { add(name, value, at: time, schema, to: &rows) }
    }
    if rows.isEmpty { return nil }
    var batch = FrameBatch(table: schema.id)
    batch.beginFrame(device: device)
    for row in rows.sorted(by: { $0.time < $1.time }) {
      for column in schema.columns where column.isRequired && !row.values.contains(where: { $0.column.id == column.id }) {
        throw Wrong("\(column.name) is missing")
      }
      batch.beginRun(probe: 1, times: .explicit([row.time]))
      for column in schema.columns {
        guard let value = row.values.last(where: { $0.column.id == column.id })?.value, value != .null else { continue }
        let slot = try slot(value, column, &batch, symbols)
        guard column.accepts(slot) else { throw Wrong("\(column.name) is out of its range, \(column.boundsText)") }
        batch.add(column.id, constant: slot)
      }
    }
    return batch
  }

  /// What the type does not know is no fault of the message.
  private static func add(
    _ name: String, _ value: JSONTree, at time: Int64, _ schema: TableSchema, to rows: inout [Row]
  ) {
    guard let index = schema.index(ofColumn: name) else { return }
    let at = rows.firstIndex { $0.time == time } ?? rows.count
    if at == rows.count { rows.append(Row(time: time)) }
    rows[at].values.append((schema.columns[index], value))
  }

  private static func slot(
    _ value: JSONTree, _ column: ColumnSchema, _ batch: inout FrameBatch, _ symbols: SymbolTable
  ) throws(Wrong) -> Int64 {
    switch (column.type, value) {
    case (.int, .int(let number)): return number
    case (.float, .int(let number)): return Int64(bitPattern: Double(number).bitPattern)
    case (.float, .float(let number)): return Int64(bitPattern: number.bitPattern)
    case (.bool, .bool(let flag)): return flag ? 1 : 0
    case (.symbol, .text(let text)):
      guard text.utf8.count <= symbolByteLimit else { throw Wrong("\(column.name) is longer than \(symbolByteLimit) bytes") }
      return symbols.code(of: text)
    case (.text, _) where column.isJSON: return try code(of: value.text, column, &batch, symbols)
    case (.text, .text(let text)): return try code(of: text, column, &batch, symbols)
    default: throw Wrong("\(column.name) is not of type \(column.type)")
    }
  }

  private static func code(
    of text: String, _ column: ColumnSchema, _ batch: inout FrameBatch, _ symbols: SymbolTable
  ) throws(Wrong) -> Int64 {
    guard text.utf8.count <= ColumnSchema.textByteLimit else { throw Wrong("\(column.name) is longer than 64 KiB") }
    return batch.code(of: text, column: column.id, in: symbols)
  }

  /// RFC 3339, or a number whose unit is told by its magnitude.
  private static func time(_ value: JSONTree) throws(Wrong) -> Int64 {
    switch value {
    case .text(let text):
      guard let time = TimestampText.parse(text) else { throw Wrong("timestamp is no instant with an offset") }
      return time
    case .int(let number):
      let unit: Int64 =
        switch number.magnitude {
        case ..<100_000_000_000: 1_000_000_000
        case ..<100_000_000_000_000: 1_000_000
        case ..<100_000_000_000_000_000: 1_000
        default: 1
        }
      let nanos = number.multipliedReportingOverflow(by: unit)
      guard !nanos.overflow else { throw Wrong("timestamp is no instant") }
      return nanos.partialValue
    case .float(let seconds) where abs(seconds) < 9e9: return Int64((seconds * 1e9).rounded())
    default: throw Wrong("timestamp is no instant")
    }
  }
}
