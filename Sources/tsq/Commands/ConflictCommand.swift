import ArgumentParser
import Query
import TSEngine

struct ConflictCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "conflict",
    abstract: "Readings that came with several values: see them, decide which is right.",
    discussion: """
      Which of them is read without a decision says the table's policy:
      tsq type set power conflicts=last|first|reject

      EXAMPLES:
        tsq conflict list
        tsq conflict resolve power b827eb08451e 1 2026-01-01T00:00:00Z --choose 4711
      """,
    subcommands: [ConflictList.self, ConflictResolve.self])
}

struct ConflictList: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "Each version that is not read beside the one that is.",
    discussion: "EXAMPLE: tsq conflict list --unresolved --format json")
  @Flag(help: "Only those nobody has decided.") var unresolved = false
  @Option(help: "table, csv, json, ndjson, markdown, line or list.") var format: OutputFormat = .table
  @OptionGroup var location: StoreLocation

  func run() throws {
    let filter = unresolved ? " WHERE resolution IS NULL" : ""
    let sql = #"SELECT * FROM conflicts\#(filter) ORDER BY "table", sensor, probe, ts, superseded_lsn"#
    try QueryScript(text: sql, format: format).run(at: location.place())
  }
}

struct ConflictResolve: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "resolve", abstract: "Decide which version of a reading is right.",
    discussion: """
      The version is named by the LSN that brought it, as tsq conflict list has it
      (lsn and superseded_lsn). The decision is an event and holds whatever the
      policy; a later one takes its place. No version is ever lost by it.

      EXAMPLE: tsq conflict resolve power b827eb08451e 1 2026-01-01T00:00:00Z --choose 4711
      """)
  @Argument(help: ArgumentHelp("The table.", valueName: "TABLE")) var table: String
  @Argument(help: ArgumentHelp("The device.", valueName: "DEVICE")) var device: String
  @Argument(help: ArgumentHelp("The probe.", valueName: "PROBE")) var probe: Int32
  @Argument(help: ArgumentHelp("The instant.", valueName: "TIME")) var time: String
  @Option(help: ArgumentHelp("The version that is right.", valueName: "LSN")) var choose: UInt64
  @Option(help: ArgumentHelp("Why; recorded with the event.", valueName: "TEXT")) var reason = ""
  @OptionGroup var location: StoreLocation

  func run() throws {
    let instant = try CommandTime.parse(time)
    try StoreAccess.writing(location.directory("conflict resolve")) { store in
      let series = SeriesKey(table: try store.wholeRegistry().table(named: table), device: device, probe: probe)
      let lsn = try store.resolve(
        series, at: instant, choosing: choose, actor: StoreAccess.actor,
        cause: Cause(message: "command line", reason: reason))
      Terminal.note("\(device) probe \(probe) at \(TimestampText.format(instant)): lsn \(choose) is right, by lsn \(lsn)")
    }
  }
}
