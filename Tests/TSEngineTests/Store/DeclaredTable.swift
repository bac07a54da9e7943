import Testing

@testable import TSEngine

/// A declared table of a test: its schema as the store has it, and rows by the names of its columns.
struct DeclaredTable {
  enum Value: Hashable {
    case int(Int64)
    /// By its bits: NaN payloads and -0.0 count.
    case float(UInt64)
    case bool(Bool)
    case text(String)

    static func double(_ value: Double) -> Value { .float(value.bitPattern) }
  }

  var schema: TableSchema

  static func column(
    _ name: String, _ type: ColumnType, _ minimum: Int64? = nil, _ maximum: Int64? = nil
  ) -> ColumnSchema {
    ColumnSchema(id: 0, name: name, type: type, minimum: minimum, maximum: maximum)
  }

  /// A column of each type.
  static let everyType = [
    column("i", .int), column("f", .float), column("b", .bool), column("s", .symbol),
    column("t", .text),
  ]

  init(_ store: Store, _ name: String, _ columns: [ColumnSchema]) throws {
    schema = try store.decide(actor: StoreBench.actor) {
      $0.declareType(name, label: name, columns: columns, defaultSpanNanos: 1_000_000_000, $1)
    }.result.get()
  }

  mutating func add(_ column: ColumnSchema, _ store: Store) throws {
    schema = try DeclaredTable(store, schema.name, schema.columns + [column]).schema
  }

  func id(_ name: String) -> ColumnID {
    schema.columns[schema.index(ofColumn: name) ?? 0].id
  }

  /// One frame of `device`: rows in order of time, a value or null by column.
  func batch(
    _ device: String, _ rows: [(time: Int64, values: [String: Value])], probe: Int32 = 1,
    in symbols: SymbolTable
  ) -> FrameBatch {
    var batch = FrameBatch(table: schema.id)
    append(device, rows, probe: probe, in: symbols, to: &batch)
    return batch
  }

  func append(
    _ device: String, _ rows: [(time: Int64, values: [String: Value])], probe: Int32 = 1,
    in symbols: SymbolTable, to batch: inout FrameBatch
  ) {
    batch.beginFrame(device: device)
    batch.beginRun(probe: probe, times: .explicit(rows.map(\.time)))
    for column in schema.columns {
      let values = rows.map { $0.values[column.name] }
      guard values.contains(where: { $0 != nil }) else { continue }
      let slots = values.map { value -> Int64 in
        switch value {
        case .int(let number): number
        case .float(let bits): Int64(bitPattern: bits)
        case .bool(let flag): flag ? 1 : 0
        case .text(let text) where column.type == .symbol: symbols.code(of: text)
        case .text(let text): batch.code(of: text, column: column.id, in: symbols)
        case nil: 0
        }
      }
      if values.contains(nil) {
        batch.add(column.id, slots, valid: values.map { $0 != nil })
      } else {
        batch.add(column.id, slots)
      }
    }
  }

  /// What a reader of the store finds of these values.
  func cells(_ values: [String: Value]) -> Cells {
    var cells: Cells = [:]
    for (name, value) in values {
      cells[id(name)] =
        switch value {
        case .int(let number): .int(number)
        case .float(let bits): .int(Int64(bitPattern: bits))
        case .bool(let flag): .int(flag ? 1 : 0)
        case .text(let text): .text(text)
        }
    }
    return cells
  }

  func key(_ device: String, _ time: Int64, probe: Int32 = 1) -> RowKey {
    RowKey(series: SeriesKey(table: schema.id, device: device, probe: probe), time: time)
  }
}
