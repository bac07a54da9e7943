/// Device types and their settings.
extension Registry {
  /// Declares `name`, or adds columns to it: those it has must come first, unchanged (D-03).
  /// Table and column ids of `columns` are given here; the value is the table's schema.
  /// - Parameter details: nil leaves them as they are.
  package func declareType(
    _ name: String, label: String = "", columns: [ColumnSchema], defaultSpanNanos: Int64,
    details: TypeDetails? = nil, _ context: DecisionContext
  ) -> Decision<TableSchema> {
    guard Self.isFieldName(name), name.utf8.first.map({ $0 > UInt8(ascii: "9") }) ?? false,
      name != DeviceType.lampi
    else { return .refused(.invalidName) }
    let names = columns.map(\.name)
    guard defaultSpanNanos > 0, !columns.isEmpty, columns.count <= 1024,
      names.allSatisfy(Self.isColumnName), Set(names).count == names.count
    else { return .refused(.invalidValue) }
    guard !types.abstract.contains(where: { $0.schema.name == name }) else { return .refused(.exists) }
    let details = details ?? types.details(of: name)
    guard details.isSound, !details.isAbstract else { return .refused(.invalidValue) }
    let old = types[name]?.schema
    let known = old?.columns ?? []
    guard columns.allSatisfy(Self.isPossible) else { return .refused(.invalidValue) }
    guard columns.count >= known.count,
      zip(known, columns).allSatisfy({ Self.isSame($0, $1) })
    else { return .refused(.incompatibleType) }
    var next = known.map(\.id).max() ?? 0
    var schema = TableSchema(
      id: old?.id ?? max(Types.firstDeclaredTable, types.newestTable &+ 1),
      name: name, columns: known, defaultSpanNanos: defaultSpanNanos)
    for var column in columns.dropFirst(known.count) {
      guard next < ColumnID.max else { return .refused(.invalidValue) }
      next += 1
      column.id = next
      schema.columns.append(column)
    }
    guard schema != old || details != types.details(of: name) else {
      return Decision(events: [], result: .success(schema))
    }
    return Decision(
      events: [context.event(self, .typeDeclared(schema: schema, label: label, details: details))],
      result: .success(schema))
  }

  /// Takes the type's table away with all its readings; its name may be declared anew, under another id.
  /// - Parameter extent: what was shown to whoever does it.
  package func dropTable(
    _ name: String, extent: RemovalExtent, _ context: DecisionContext
  ) -> Decision<Void> {
    if let refusal = dropRefusal(name) { return .refused(refusal) }
    guard let table = types[name]?.schema.id else { return .refused(.unknownType) }
    let dropped = EventKind.tableDropped(
      table: table, rows: UInt64(extent.rowCount), bytes: UInt64(extent.byteCount))
    return Decision(events: [context.event(self, dropped)], result: .success(()))
  }

  /// Why the type's table cannot be dropped, if it cannot.
  package func dropRefusal(_ name: String) -> Refusal? {
    guard let table = types[name]?.schema.id else { return .unknownType }
    return table < Types.firstDeclaredTable ? .builtIn : nil
  }

  /// `<column>.wire` = a scale as `1V` or `1/10 V`; empty sets it back to the stored scale (P-12).
  /// `conflicts` = `last`, `first` or `reject` (T-03); `retention` = an age as `400d` (T-11).
  package func setTypeSetting(
    _ type: String, _ key: String, _ value: String, _ context: DecisionContext
  ) -> Decision<Void> {
    guard let declared = types[type] else { return .refused(.unknownType) }
    if key == ConflictPolicy.settingKey {
      guard value.isEmpty || ConflictPolicy(rawValue: value) != nil else {
        return .refused(.invalidValue)
      }
      return setting(declared, key, value == ConflictPolicy.last.rawValue ? "" : value, context)
    }
    if key == RetentionAge.settingKey {
      guard value.isEmpty || RetentionAge(value) != nil else { return .refused(.invalidValue) }
      return setting(declared, key, value, context)
    }
    if key == ClockSync.settingKey {
      guard value.isEmpty || ClockSync.nanos(value) != nil else { return .refused(.invalidValue) }
      return setting(declared, key, value, context)
    }
    let suffix = ".wire"
    guard key.hasSuffix(suffix),
      let index = declared.schema.index(ofColumn: String(key.dropLast(suffix.count)))
    else { return .refused(.unknownSetting) }
    let column = declared.schema.columns[index]
    guard value.isEmpty || (column.type == .int && Types.wireMultiplier(value, of: column) != nil)
    else { return .refused(.invalidValue) }
    return setting(declared, key, value, context)
  }

  private func setting(
    _ type: Types.Declared, _ key: String, _ value: String, _ context: DecisionContext
  ) -> Decision<Void> {
    guard type.settings[key] ?? "" != value else { return Decision(events: [], result: .success(())) }
    let change = EventKind.typeSettingChanged(type: type.schema.name, key: key, value: value)
    return Decision(events: [context.event(self, change)], result: .success(()))
  }

  /// Several settings of a type, all or none, in order of their names.
  package func setTypeSettings(
    _ type: String, _ settings: [String: String], _ context: DecisionContext
  ) -> Decision<Void> {
    var current = self
    var events: [Event] = []
    for (key, value) in settings.sorted(by: { $0.key < $1.key }) {
      let set = current.setTypeSetting(type, key, value, context)
      if case .failure(let refusal) = set.result { return .refused(refusal) }
      events += set.events
      current = current.after(set.events)
    }
    return Decision(events: events, result: .success(()))
  }

  private static let keyColumns: Set<String> = [
    "ts", "time", "device", "sensor", "probe", "lsn", "owner", "received_at",
  ]

  package static func isColumnName(_ name: String) -> Bool {
    isFieldName(name) && !keyColumns.contains(name)
  }

  /// Bounds are for numbers and not crossed, JSON is a text.
  static func isPossible(_ column: ColumnSchema) -> Bool {
    if column.isJSON, column.type != .text { return false }
    guard column.minimum != nil || column.maximum != nil else { return true }
    guard column.type == .int || column.type == .float else { return false }
    return [column.minimum, column.maximum].allSatisfy { $0.map(column.accepts) ?? true }
  }

  private static func isSame(_ known: ColumnSchema, _ given: ColumnSchema) -> Bool {
    var given = given
    given.id = known.id
    return known == given
  }
}
