import ArgumentParser
import struct Query.ResultColumn
import TSEngine

struct TypeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "type",
    abstract: "Device types: their columns, units and scales on the wire.",
    discussion: """
      EXAMPLES:
        tsq type show power
        tsq type set power voltage.wire=1V
        tsq type create weather.yaml
      """,
    subcommands: [TypeList.self, TypeShow.self, TypeCreate.self, TypeSet.self])
}

struct TypeList: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "All types.", discussion: "EXAMPLE: tsq type list --format json")
  @Option(help: "table, csv, json, ndjson, markdown, line or list.") var format: OutputFormat = .table
  @OptionGroup var location: StoreLocation

  func run() throws {
    try RegistryAccess.reading(location) { store in
      try format.print(TypeText.columns, try store.wholeRegistry().types.all.map(TypeText.row))
    } server: { server in
      try server.show("types", format: format)
    }
  }
}

struct TypeShow: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "A type's columns.", discussion: "EXAMPLE: tsq type show power")
  @Argument(help: ArgumentHelp("The type.", valueName: "NAME")) var name: String
  @Option(help: "table, csv, json, ndjson, markdown, line or list.") var format: OutputFormat = .table
  @OptionGroup var location: StoreLocation

  func run() throws {
    try RegistryAccess.reading(location) { store in
      guard let type = try store.wholeRegistry().types.parent(named: name) else {
        throw CommandError.failed(Refusal.unknownType.sentence)
      }
      try format.print(TypeText.columnColumns, type.schema.columns.map { TypeText.row($0, of: type) })
    } server: { server in
      try server.showList("columns", of: "types", name, format: format)
    }
  }
}

struct TypeSet: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "set", abstract: "Change settings of a type.",
    discussion: """
      <column>.wire is what a 1 means in frames from now on; readings that are
      stored stay as they are. It must be a whole multiple of the stored scale.
      An empty value sets it back.

      EXAMPLES:
        tsq type set power voltage.wire=1V
        tsq type set power pf.wire=1/100 voltage.wire=
      """)
  @Argument(help: ArgumentHelp("The type.", valueName: "NAME")) var name: String
  @Argument(help: ArgumentHelp("Settings.", valueName: "KEY=VALUE")) var settings: [String]
  @OptionGroup var location: StoreLocation

  func run() throws {
    var wanted: [String: String] = [:]
    for setting in settings {
      let parts = setting.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2, wanted.updateValue(String(parts[1]), forKey: String(parts[0])) == nil else {
        throw CommandError.usage("settings are KEY=VALUE, each once; \"\(setting)\" is not")
      }
    }
    try RegistryAccess.writing(location) { [wanted] store in
      try store.decideHere { $0.setTypeSettings(name, wanted, $1) }
    } server: { server in
      try server.post("types", name, object: ("settings", wanted))
    }
    Terminal.note("\(name): " + wanted.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " "))
  }
}

/// Types as rows.
enum TypeText {
  static let columns: [ResultColumn] = [
    ResultColumn(name: "name", kind: .text), ResultColumn(name: "label", kind: .text),
    ResultColumn(name: "version", kind: .number), ResultColumn(name: "columns", kind: .text),
    ResultColumn(name: "settings", kind: .text), ResultColumn(name: "display_name", kind: .text),
  ]

  static func row(_ type: Types.Declared) -> [String?] {
    [
      type.schema.name, type.label, "\(type.version)", type.schema.columns.map(\.name).joined(separator: " "),
      type.settings.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " "), type.displayName,
    ]
  }

  static let columnColumns: [ResultColumn] = ["name", "type", "unit", "wire", "range", "required"].map {
    ResultColumn(name: $0, kind: .text)
  }

  static func row(_ column: ColumnSchema, of type: Types.Declared) -> [String?] {
    [
      column.name, column.isJSON ? "json" : "\(column.type)", column.unit,
      column.type == .int ? type.wireScale(of: column) : nil, column.isBounded ? column.boundsText : nil,
      "\(column.isRequired)",
    ]
  }
}
