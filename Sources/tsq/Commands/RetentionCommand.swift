import ArgumentParser
import Query
import TSEngine

struct RetentionCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "retention",
    abstract: "How long the readings of a table are kept.",
    discussion: """
      EXAMPLES:
        tsq retention show
        tsq retention set power 400d --dry-run
        tsq retention set power off
      """,
    subcommands: [RetentionShow.self, RetentionSet.self])
}

struct RetentionShow: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "The ages of all tables, or of one, and the floors they have reached.",
    discussion: "EXAMPLE: tsq retention show --format json")
  @Argument(help: ArgumentHelp("The table.", valueName: "TABLE")) var table: String?
  @Option(help: "table, csv, json, ndjson, markdown, line or list.") var format: OutputFormat = .table
  @OptionGroup var location: StoreLocation

  func run() throws {
    try StoreAccess.reading(location.directory("retention show")) { store in
      let registry = try store.wholeRegistry()
      if let table { _ = try registry.table(named: table) }
      let rows = registry.types.all.filter { table == nil || $0.schema.name == table }.map { type -> [String?] in
        let floor = registry.lifecycles.floor(of: type.schema.id)
        return [
          type.schema.name, type.settings[RetentionAge.settingKey],
          floor == .min ? nil : TimestampText.format(floor),
        ]
      }
      try format.print(
        [
          ResultColumn(name: "table", kind: .text), ResultColumn(name: "retention", kind: .text),
          ResultColumn(name: "floor", kind: .timestamp),
        ], rows)
    }
  }
}

struct RetentionSet: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "set", abstract: "Keep the readings of a table so long.",
    discussion: """
      Readings older than the age are gone for every query at once, and the floor
      follows the clock from then on, but never past the newest reading less the
      age. A week later they leave the files; until then AS KNOWN AT and a
      restore find them. --dry-run counts what would go. A longer age, or off,
      takes late readings in again; what went stays gone.

      EXAMPLES:
        tsq retention set power 400d --dry-run
        tsq retention set power 400d --reason 'contract of 2026'
        tsq retention set power off
      """)
  @Argument(help: ArgumentHelp("The table.", valueName: "TABLE")) var table: String
  @Argument(help: ArgumentHelp("A whole number and s, m, h, d or w; off keeps all.", valueName: "AGE"))
  var age: String
  @Flag(help: "Only say what would go.") var dryRun = false
  @Option(help: ArgumentHelp("Why; recorded with the event.", valueName: "TEXT")) var reason = ""
  @Option(help: "table, csv, json, ndjson, markdown, line or list.") var format: OutputFormat = .table
  @OptionGroup var location: StoreLocation

  func run() throws {
    let wanted = age == "off" ? nil : RetentionAge(age)
    guard age == "off" || wanted != nil else {
      throw CommandError.usage("\"\(age)\" is no age; one looks like 400d or 36h, or off")
    }
    let directory = try location.directory("retention set")
    let (table, reason) = (table, reason)
    func preview(_ store: Store) throws -> (id: TableID, extent: RemovalExtent) {
      let id = try store.wholeRegistry().table(named: table)
      let snapshot = store.snapshot()
      let now = snapshot.retentionInstant(of: id, now: System.wallNanos())
      let extent = try wanted.map { try snapshot.extent(of: id, olderThan: $0, now: now) }
      return (id, extent ?? RemovalExtent())
    }
    if dryRun {
      return try StoreAccess.reading(directory) { try print(preview($0).extent, lsn: nil) }
    }
    try StoreAccess.writing(directory) { store in
      let took = try preview(store)
      try store.setRetention(
        table, wanted == nil ? nil : age, actor: StoreAccess.actor,
        cause: Cause(message: "command line", reason: reason))
      try print(took.extent, lsn: store.durableLSN)
    }
  }

  private func print(_ extent: RemovalExtent, lsn: LSN?) throws {
    try format.print(
      RemovalText.columns + [ResultColumn(name: "lsn", kind: .number)],
      [RemovalText.row(table, extent) + [lsn.map { "\($0)" }]])
  }
}

/// What an act on readings takes, as a row.
enum RemovalText {
  static let columns: [ResultColumn] =
    [ResultColumn(name: "table", kind: .text)]
    + ["rows", "series", "bytes"].map { ResultColumn(name: $0, kind: .number) }

  static func row(_ table: String, _ extent: RemovalExtent) -> [String?] {
    [table, "\(extent.rowCount)", "\(extent.seriesCount)", "\(extent.byteCount)"]
  }
}

extension TSEngine.Registry {
  /// - Throws: `CommandError` exit 1.
  func table(named name: String) throws -> TableID {
    guard let type = types[name] else {
      throw CommandError.failed("there is no table \"\(name)\"; tsq type list names them")
    }
    return type.schema.id
  }
}
