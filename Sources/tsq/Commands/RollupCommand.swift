import ArgumentParser
import struct Query.ResultColumn
import TSEngine

struct RollupCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rollup",
    abstract: "Buckets of readings, kept up to date: count, sum, min, max, first, last, integral.",
    discussion: """
      A rollup is made from readings and never needed to answer: what it does not
      hold yet is told from readings. Its buckets are the table NAME_EVERY, as in
      SELECT * FROM power_15m. Declaring and dropping are events.

      EXAMPLES:
        tsq rollup declare power 15m
        tsq rollup drop power 15m --dry-run
      """,
    subcommands: [RollupList.self, RollupDeclare.self, RollupDrop.self, RollupRebuild.self])

  static func every(_ text: String) throws -> Int64 {
    guard let every = RollupDeclaration.every(text) else {
      throw CommandError.usage("a bucket is a second or more and divides a day: 1s, 1m, 15m, 1h, 1d; not \"\(text)\"")
    }
    return every
  }

  /// What is stored of one rollup.
  static func stored(_ store: Store, _ table: String, _ every: Int64) throws -> [Manifest.RollupSegment] {
    guard let id = try store.wholeRegistry().types[table]?.schema.id else {
      throw CommandError.failed(Refusal.unknownType.sentence)
    }
    guard try store.wholeRegistry().rollups[id, every] != nil else {
      throw CommandError.failed(Refusal.unknownRollup.sentence)
    }
    return store.snapshot().rollupSegments.map(\.meta).filter { $0.table == id && $0.every == every }
  }

  static func say(_ parts: [Manifest.RollupSegment]) -> String {
    "\(parts.reduce(0) { $0 + $1.rowCount }) stored buckets, \(Figures.bytes(parts.reduce(0) { $0 + $1.byteCount }))"
  }
}

struct RollupList: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "Declared rollups and what is stored of them.",
    discussion: "EXAMPLE: tsq rollup list --format json")
  @Option(help: "table, csv, json, ndjson, markdown, line or list.") var format: OutputFormat = .table
  @OptionGroup var location: StoreLocation

  func run() throws {
    try StoreAccess.reading(try location.directory("rollup list")) { store in
      let columns = [
        ResultColumn(name: "table", kind: .text), ResultColumn(name: "every", kind: .text),
        ResultColumn(name: "columns", kind: .text), ResultColumn(name: "buckets", kind: .number),
        ResultColumn(name: "bytes", kind: .number),
      ]
      let rows = try store.wholeRegistry().rollups.all.compactMap { rollup -> [String?]? in
        guard let schema = try store.wholeRegistry().schema(rollup.table) else { return nil }
        let parts = try RollupCommand.stored(store, schema.name, rollup.every)
        let names = RollupColumn.columns(of: rollup, schema).compactMap { column in
          schema.columns.first { $0.id == column.id }?.name
        }
        return [
          schema.name, RollupDeclaration.text(every: rollup.every), names.joined(separator: " "),
          "\(parts.reduce(0) { $0 + $1.rowCount })", "\(parts.reduce(0) { $0 + $1.byteCount })",
        ]
      }
      try format.print(columns, rows)
    }
  }
}

struct RollupDeclare: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "declare", abstract: "Keep buckets of a table from now on.",
    discussion: """
      Without columns all that are numbers, those added later too. Buckets of what
      is sealed are made at once, later ones by whatever process has the store open.

      EXAMPLE: tsq rollup declare power 15m power voltage
      """)
  @Argument(help: ArgumentHelp("The table.", valueName: "TABLE")) var table: String
  @Argument(help: ArgumentHelp("1s, 1m, 15m, 1h, 1d, …", valueName: "EVERY")) var length: String
  @Argument(help: ArgumentHelp("Columns.", valueName: "COLUMN")) var columns: [String] = []
  @OptionGroup var location: StoreLocation

  func run() throws {
    let every = try RollupCommand.every(length)
    try StoreAccess.writing(try location.directory("rollup declare")) { store in
      try store.decideHere { [table, columns] in $0.declareRollup(table, every: every, columns: columns, $1) }
      try store.buildRollups()
      Terminal.note("\(table) every \(length): " + RollupCommand.say(try RollupCommand.stored(store, table, every)))
    }
  }
}

struct RollupDrop: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "drop", abstract: "Keep them no more; readings stay.",
    discussion: "EXAMPLE: tsq rollup drop power 15m --dry-run")
  @Argument(help: ArgumentHelp("The table.", valueName: "TABLE")) var table: String
  @Argument(help: ArgumentHelp("1s, 1m, 15m, 1h, 1d, …", valueName: "EVERY")) var length: String
  @Flag(help: "Only say what would go.") var dryRun = false
  @OptionGroup var location: StoreLocation

  func run() throws {
    let every = try RollupCommand.every(length)
    let directory = try location.directory("rollup drop")
    if dryRun {
      return try StoreAccess.reading(directory) { store in
        let text = RollupCommand.say(try RollupCommand.stored(store, table, every))
        Terminal.note("would drop \(text); nothing was changed")
      }
    }
    try StoreAccess.writing(directory) { store in
      let text = RollupCommand.say(try RollupCommand.stored(store, table, every))
      try store.decideHere { [table] in $0.dropRollup(table, every: every, $1) }
      try store.buildRollups()
      Terminal.note("dropped \(text); readings stay")
    }
  }
}

struct RollupRebuild: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rebuild", abstract: "Make them anew from readings; revisions begin at 0 again.",
    discussion: "EXAMPLE: tsq rollup rebuild power 15m")
  @Argument(help: ArgumentHelp("The table.", valueName: "TABLE")) var table: String
  @Argument(help: ArgumentHelp("1s, 1m, 15m, 1h, 1d, …", valueName: "EVERY")) var length: String
  @OptionGroup var location: StoreLocation

  func run() throws {
    let every = try RollupCommand.every(length)
    try StoreAccess.writing(try location.directory("rollup rebuild")) { store in
      _ = try RollupCommand.stored(store, table, every)
      try store.forgetRollups(of: try store.wholeRegistry().types[table]?.schema.id, every: every)
      try store.buildRollups()
      Terminal.note("\(table) every \(length): " + RollupCommand.say(try RollupCommand.stored(store, table, every)))
    }
  }
}
