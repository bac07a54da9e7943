/// Device types: their tables and settings. Few, so plain arrays in order of table id.
package struct Types: Sendable, Equatable {
  package struct Declared: Sendable, Equatable {
    package var schema: TableSchema
    package var label: String
    /// How often it was declared; 1 at first.
    package var version: UInt32
    package var settings: [String: String] = [:]
    package var details = TypeDetails()
    /// The event that dropped it, or 0.
    package var droppedLSN: LSN = 0

    /// In what a 1 of `column` comes on the wire: as set, else as stored (`1V`, `1/10 V`).
    package func wireScale(of column: ColumnSchema) -> String {
      settings["\(column.name).wire"] ?? column.unit
    }

    /// How long its readings are kept; nil is for ever.
    package var retention: RetentionAge? { settings[RetentionAge.settingKey].flatMap(RetentionAge.init) }

    package var conflictPolicy: ConflictPolicy {
      settings[ConflictPolicy.settingKey].flatMap(ConflictPolicy.init) ?? .last
    }
  }

  /// Ids below are the engine's own.
  package static let firstDeclaredTable: TableID = 16

  /// Ascending by table id, without dropped ones; the built-in `power` is always there.
  package private(set) var all: [Declared] = [
    Declared(schema: .power, label: "Power Meter", version: 1)
  ]

  /// Dropped types, whose ids and column names stand for their rows in the log for ever.
  package private(set) var dropped: [Declared] = []

  /// Types to make others of, without a table; ascending by name.
  package private(set) var abstract: [Declared] = []

  package init() {}

  /// The largest id that was ever given.
  package var newestTable: TableID {
    max(all.last?.schema.id ?? 0, dropped.map(\.schema.id).max() ?? 0)
  }

  package subscript(name: String) -> Declared? { all.first { $0.schema.name == name } }
  /// Also of a dropped type.
  package subscript(table: TableID) -> Declared? {
    all.first { $0.schema.id == table } ?? dropped.first { $0.schema.id == table }
  }

  /// Whether rows may come to the table.
  package func isLive(_ table: TableID) -> Bool { all.contains { $0.schema.id == table } }

  /// By what values of `column` on the wire are multiplied to be stored: from the setting
  /// `<column>.wire`, else 1. Nil for an unknown type or column.
  package func wireMultiplier(type: String, column: String) -> Int64? {
    guard let declared = self[type], let index = declared.schema.index(ofColumn: column) else {
      return nil
    }
    guard let text = declared.settings["\(column).wire"] else { return 1 }
    return Self.wireMultiplier(text, of: declared.schema.columns[index])
  }

  /// Nil when `text` is no scale in which `column` can come.
  package static func wireMultiplier(_ text: String, of column: ColumnSchema) -> Int64? {
    guard let wire = WireScale(text), let stored = WireScale(unit: column.unit) else { return nil }
    return wire.multiplier(to: stored)
  }

  mutating func apply(_ event: Event) {
    switch event.kind {
    case .tableDropped(let table, _, _):
      guard table != TableSchema.power.id,
        let index = all.firstIndex(where: { $0.schema.id == table })
      else { return }
      var gone = all.remove(at: index)
      gone.droppedLSN = event.lsn
      dropped.append(gone)
    case .typeDeclared(let schema, let label, let details) where details.isAbstract:
      declareAbstract(schema, label, details)
    case .typeDeclared(let schema, let label, let details):
      if dropped.contains(where: { $0.schema.id == schema.id }) { return }
      if let index = all.firstIndex(where: { $0.schema.id == schema.id }) {
        // Later versions keep name and columns; an event cannot take them away.
        guard schema.name == all[index].schema.name,
          schema.columns.starts(with: all[index].schema.columns)
        else { return }
        all[index].schema = schema
        all[index].label = label
        all[index].details = details
        all[index].version &+= 1
      } else if self[schema.name] == nil {
        let place = all.firstIndex { $0.schema.id > schema.id } ?? all.count
        all.insert(Declared(schema: schema, label: label, version: 1, details: details), at: place)
      }
    case .typeSettingChanged(let type, let key, let value):
      if let index = all.firstIndex(where: { $0.schema.name == type }) {
        all[index].settings[key] = value.isEmpty ? nil : value
      }
    default: break
    }
  }

  private mutating func declareAbstract(_ schema: TableSchema, _ label: String, _ details: TypeDetails) {
    var declared = Declared(schema: schema, label: label, version: 1, details: details)
    if let index = abstract.firstIndex(where: { $0.schema.name == schema.name }) {
      declared.version = abstract[index].version &+ 1
      abstract[index] = declared
    } else {
      let place = abstract.firstIndex { $0.schema.name > schema.name } ?? abstract.count
      abstract.insert(declared, at: place)
    }
  }

  /// The type to make others of, or one that has devices itself.
  package func parent(named name: String) -> Declared? {
    self[name] ?? abstract.first { $0.schema.name == name }
  }

  /// The fields of the devices of a type, with what they hold where nothing was set.
  package func details(of type: String) -> TypeDetails { self[type]?.details ?? TypeDetails() }
}

extension Types: Checkpointed {
  func encode(into writer: inout ByteWriter) {
    let types = all + dropped + abstract
    writer.varint(types.count)
    for type in types {
      writer.put(type.schema.id)
      writer.string(type.schema.name)
      writer.string(type.label)
      // The highest bit: dropped, by the event whose LSN follows. The next: it says more than its table.
      let hasDetails = type.details != TypeDetails()
      writer.put(
        type.version | (type.droppedLSN > 0 ? Self.droppedBit : 0) | (hasDetails ? Self.detailsBit : 0))
      if type.droppedLSN > 0 { writer.varint(type.droppedLSN) }
      if hasDetails { type.details.encode(into: &writer) }
      writer.put(type.schema.defaultSpanNanos)
      writer.varint(type.schema.columns.count)
      for column in type.schema.columns {
        writer.put(column.id)
        writer.string(column.name)
        writer.put(column.type.rawValue | (column.isRequired ? 0x10 : 0) | (column.isJSON ? 0x20 : 0))
        writer.string(column.unit)
        writer.optional(column.minimum)
        writer.optional(column.maximum)
      }
      writer.varint(type.settings.count)
      for (key, value) in type.settings.sorted(by: { $0.key < $1.key }) {
        writer.string(key)
        writer.string(value)
      }
    }
  }

  init(from reader: inout ByteReader) throws(StorageError) {
    all = []
    for _ in 0..<(try reader.count(limit: reader.remaining)) {
      let id = try reader.next(TableID.self)
      let name = try reader.string()
      let label = try reader.string()
      let version = try reader.next(UInt32.self)
      let droppedLSN = version & Self.droppedBit == 0 ? 0 : try reader.varint()
      let details = version & Self.detailsBit == 0 ? TypeDetails() : try TypeDetails(from: &reader)
      var schema = TableSchema(
        id: id, name: name, columns: [], defaultSpanNanos: try reader.next(Int64.self))
      for _ in 0..<(try reader.count(limit: reader.remaining)) {
        schema.columns.append(try Self.column(from: &reader))
      }
      var declared = Declared(schema: schema, label: label, version: version & ~(Self.droppedBit | Self.detailsBit))
      declared.droppedLSN = droppedLSN
      declared.details = details
      for _ in 0..<(try reader.count(limit: reader.remaining)) {
        let key = try reader.string()
        declared.settings[key] = try reader.string()
      }
      if details.isAbstract {
        abstract.append(declared)
      } else if droppedLSN > 0 {
        dropped.append(declared)
      } else {
        all.append(declared)
      }
    }
  }

  private static let droppedBit: UInt32 = 1 << 31
  private static let detailsBit: UInt32 = 1 << 30

  private static func column(from reader: inout ByteReader) throws(StorageError) -> ColumnSchema {
    let id = try reader.next(ColumnID.self)
    let name = try reader.string()
    let flags = try reader.next(UInt8.self)
    guard flags & 0xC0 == 0, let type = ColumnType(rawValue: flags & 0x0F) else {
      throw StorageError(.corrupt, "column type", offset: reader.offset)
    }
    return ColumnSchema(
      id: id, name: name, type: type, unit: try reader.string(),
      minimum: try reader.optional(), maximum: try reader.optional(),
      isRequired: flags & 0x10 != 0, isJSON: flags & 0x20 != 0)
  }
}
