/// Tables and their columns. A table belongs to a device type; its rows are keyed by
/// (device, probe, ts) and carry the LSN that brought them.

public typealias TableID = UInt32
/// Numbers a column of its table for ever; never reused, also not after a column is dropped.
public typealias ColumnID = UInt16
/// Position in the log. 0 means "nothing".
public typealias LSN = UInt64

/// How a column's values are held. Everywhere in the engine a value is one `Int64` slot:
/// `int` as itself, `float` as its bit pattern, `bool` as 0 or 1, `symbol` and `text` as a code
/// of the store's `SymbolTable`.
public enum ColumnType: UInt8, Sendable, CaseIterable {
  case int = 1, float = 2, bool = 3, symbol = 4, text = 5
}

public struct ColumnSchema: Sendable, Equatable {
  public var id: ColumnID
  public var name: String
  public var type: ColumnType
  /// Unit of the stored value, as shown ("W", "1/1000", "1/10 V").
  public var unit: String
  /// Inclusive bounds a value must keep at the door; nil is open.
  public var minimum: Int64?
  public var maximum: Int64?
  /// Every row must have a value. Rows from before the column was declared read null.
  public var isRequired: Bool
  /// A text that is one JSON value, kept as it came.
  public var isJSON: Bool

  public init(
    id: ColumnID, name: String, type: ColumnType, unit: String = "",
    minimum: Int64? = nil, maximum: Int64? = nil, isRequired: Bool = false, isJSON: Bool = false
  ) {
    self.id = id
    self.name = name
    self.type = type
    self.unit = unit
    self.minimum = minimum
    self.maximum = maximum
    self.isRequired = isRequired
    self.isJSON = isJSON
  }
}

extension ColumnSchema {
  /// Of one text.
  package static let textByteLimit = 1 << 16

  /// Whether a value keeps the bounds; NaN keeps none.
  package func accepts(_ slot: Int64) -> Bool {
    if minimum == nil, maximum == nil { return true }
    guard type == .float else { return slot >= minimum ?? .min && slot <= maximum ?? .max }
    func number(_ slot: Int64) -> Double { Double(bitPattern: UInt64(bitPattern: slot)) }
    if let minimum, !(number(slot) >= number(minimum)) { return false }
    if let maximum, !(number(slot) <= number(maximum)) { return false }
    return true
  }

  package var isBounded: Bool { minimum != nil || maximum != nil }

  /// The bounds as a person reads them: `-80 to 80`, `at least 1`.
  package var boundsText: String {
    func text(_ slot: Int64) -> String {
      type == .float ? "\(Double(bitPattern: UInt64(bitPattern: slot)))" : "\(slot)"
    }
    switch (minimum, maximum) {
    case (let low?, let high?): return "\(text(low)) to \(text(high))"
    case (let low?, nil): return "at least \(text(low))"
    case (nil, let high?): return "at most \(text(high))"
    case (nil, nil): return "any"
    }
  }
}

public struct TableSchema: Sendable, Equatable {
  public var id: TableID
  public var name: String
  /// In declaration order. The key columns (ts, device, probe) and lsn are not listed.
  public var columns: [ColumnSchema]
  /// What one sample covers when a row arrives without a span.
  public var defaultSpanNanos: Int64

  public init(id: TableID, name: String, columns: [ColumnSchema], defaultSpanNanos: Int64) {
    self.id = id
    self.name = name
    self.columns = columns
    self.defaultSpanNanos = defaultSpanNanos
  }

  /// The index in `columns`, or nil. O(columns).
  public func index(ofColumn name: String) -> Int? { columns.firstIndex { $0.name == name } }

  /// The built-in table of 3-phase power meters.
  public static let power = TableSchema(
    id: 1, name: "power",
    columns: [
      ColumnSchema(id: 1, name: "power", type: .int, unit: "W"),
      ColumnSchema(id: 2, name: "pf", type: .int, unit: "1/1000"),
      ColumnSchema(id: 3, name: "voltage", type: .int, unit: "1/10 V"),
      ColumnSchema(id: 4, name: "span", type: .int, unit: "ns", minimum: 1),
      ColumnSchema(id: 5, name: "voltage_span", type: .int, unit: "ns", minimum: 1),
      ColumnSchema(id: 6, name: "probe_type", type: .symbol),
      ColumnSchema(id: 7, name: "version", type: .symbol),
    ],
    defaultSpanNanos: 50_000_000)
}

/// What identifies a series. Ids keep to `[A-Za-z0-9._-]{1,128}`.
public struct SeriesKey: Hashable, Sendable, Comparable {
  public var table: TableID
  public var device: String
  public var probe: Int32

  public init(table: TableID, device: String, probe: Int32) {
    self.table = table
    self.device = device
    self.probe = probe
  }

  public static func < (a: SeriesKey, b: SeriesKey) -> Bool {
    if a.table != b.table { return a.table < b.table }
    if a.device != b.device { return a.device < b.device }
    return a.probe < b.probe
  }
}
