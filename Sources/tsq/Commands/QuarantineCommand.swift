import ArgumentParser
import Query
import TSEngine

struct QuarantineCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "quarantine",
    abstract: "Readings of impossible times that were held back: release, shift or drop them.",
    discussion: """
      EXAMPLES:
        tsq quarantine list
        tsq quarantine release power --device b827eb08451e --shift=-3650d --dry-run
        tsq quarantine drop power --device b827eb08451e
      """,
    subcommands: [QuarantineList.self, QuarantineRelease.self, QuarantineDrop.self])
}

struct QuarantineList: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "What is held back, by series.",
    discussion: "The readings themselves: tsq query 'SELECT * FROM quarantine'\n\nEXAMPLE: tsq quarantine list --format json")
  @Option(help: "table, csv, json, ndjson, markdown, line or list.") var format: OutputFormat = .table
  @OptionGroup var location: StoreLocation

  func run() throws {
    let sql = """
      SELECT "table", sensor, probe, reason, count(*) AS readings, min(ts) AS first_ts, max(ts) AS last_ts, \
      max(received_at) AS received_at FROM quarantine GROUP BY "table", sensor, probe, reason \
      ORDER BY "table", sensor, probe, reason
      """
    try QueryScript(text: sql, format: format).run(at: location.place())
  }
}

/// Which readings of a quarantine are meant.
struct QuarantineChoice: ParsableArguments {
  @Argument(help: ArgumentHelp("The table.", valueName: "TABLE")) var table: String
  @Option(help: ArgumentHelp("Only this device.", valueName: "DEVICE")) var device: String?
  @Option(help: ArgumentHelp("Only this probe.", valueName: "PROBE")) var probe: Int32?
  @Option(help: ArgumentHelp("From this instant on, as it was received.", valueName: "TIME")) var from: String?
  @Option(help: ArgumentHelp("Up to this instant, without it.", valueName: "TIME")) var to: String?
  @Flag(help: "Those of all devices.") var all = false
  @Flag(help: "Only say what would become of them.") var dryRun = false
  @Option(help: ArgumentHelp("Why; recorded with the event.", valueName: "TEXT")) var reason = ""
  @Option(help: "table, csv, json, ndjson, markdown, line or list.") var format: OutputFormat = .table

  private func spans(_ snapshot: Snapshot, _ table: TableID) throws -> [SeriesSpans] {
    let first = try from.map(CommandTime.parse) ?? .min
    let end = try to.map(CommandTime.parse)
    guard end.map({ $0 > first }) ?? true else { throw CommandError.usage("--from must lie before --to") }
    let times = [first...(end.map { $0 - 1 } ?? .max)]
    guard all || device != nil || probe != nil || from != nil || to != nil else {
      throw CommandError.usage("name --device, --probe, --from or --to, or say --all; --dry-run counts what it would take")
    }
    if device == nil, probe == nil { return [.everySeries(times)] }
    return snapshot.series(of: table.quarantine)
      .filter { (device == nil || $0.device == device) && (probe == nil || $0.probe == probe) }
      .map { SeriesSpans(device: $0.device, probe: $0.probe, times: times) }
  }

  private static let outcomes = ["new", "same", "conflict", "expired", "lsn"]

  /// Does it, or counts what it would take.
  func settle(_ action: QuarantineAction, shift: Int64, _ directory: String) throws {
    func print(_ extent: RemovalExtent, _ result: AppendResult?) throws {
      let outcome = result.map { ["\($0.new)", "\($0.same)", "\($0.conflict)", "\($0.expired)", "\($0.lsn)"] }
      try format.print(
        RemovalText.columns + Self.outcomes.map { ResultColumn(name: $0, kind: .number) },
        [RemovalText.row(table, extent) + (outcome ?? Self.outcomes.map { _ in nil })])
    }
    if dryRun {
      return try StoreAccess.reading(directory) { store in
        let (snapshot, id) = (store.snapshot(), try store.wholeRegistry().table(named: table))
        try print(snapshot.extent(of: id.quarantine, spans(snapshot, id)), nil)
      }
    }
    try StoreAccess.writing(directory) { store in
      let (snapshot, id) = (store.snapshot(), try store.wholeRegistry().table(named: table))
      let chosen = try spans(snapshot, id)
      let extent = try snapshot.extent(of: id.quarantine, chosen)
      let result = try store.settleQuarantine(
        of: id, chosen, action, shift: shift, actor: StoreAccess.actor,
        cause: Cause(message: "command line", reason: reason))
      try print(extent, result)
    }
  }
}

struct QuarantineRelease: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "release", abstract: "Take readings into their table, their times moved if asked.",
    discussion: """
      EXAMPLES:
        tsq quarantine release power --device b827eb08451e
        tsq quarantine release power --device b827eb08451e --shift=-3650d --reason 'clock was off'
      """)
  @OptionGroup var choice: QuarantineChoice
  @Option(help: ArgumentHelp("Move their times by this length; -1h is an hour back.", valueName: "LENGTH"))
  var shift: String?
  @OptionGroup var location: StoreLocation

  func run() throws {
    let nanos = try shift.map { text in
      text.hasPrefix("-") ? -(try CommandTime.parseSpan(String(text.dropFirst()))) : try CommandTime.parseSpan(text)
    }
    try choice.settle(.released, shift: nanos ?? 0, location.directory("quarantine release"))
  }
}

struct QuarantineDrop: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "drop", abstract: "Let readings go.",
    discussion: "EXAMPLE: tsq quarantine drop power --device b827eb08451e --dry-run")
  @OptionGroup var choice: QuarantineChoice
  @OptionGroup var location: StoreLocation

  func run() throws {
    try choice.settle(.dropped, shift: 0, location.directory("quarantine drop"))
  }
}
