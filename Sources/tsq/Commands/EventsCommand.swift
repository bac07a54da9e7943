import ArgumentParser
import TSEngine

struct EventsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "events",
    abstract: "The journal: what happened to devices and users, by whom and why.",
    discussion: """
      EXAMPLES:
        tsq events --device b827eb08451e
        tsq events --from 1000 --format ndjson
      """)

  @Option(help: ArgumentHelp("Begin at this position of the log.", valueName: "LSN")) var from: UInt64 = 0
  @Option(help: ArgumentHelp("Only what concerns this device.", valueName: "ID")) var device: String?
  @Flag(help: "Go on as events come (not yet).") var follow = false
  @Option(help: "table, csv, json, ndjson, markdown, line or list.") var format: OutputFormat = .table
  @OptionGroup var location: StoreLocation

  func run() throws {
    if follow { throw CommandError.notYet("tsq events --follow", instead: "run tsq events --from LSN again") }
    guard case .directory(let directory) = try location.place() else { return try showRemote() }
    try StoreAccess.reading(directory) { store in
      let wanted = try device.map { Set(try store.snapshot().history(of: $0).map(\.lsn)) }
      try format.printEvents(of: store) { $0.lsn >= from && wanted?.contains($0.lsn) ?? true }
    }
  }

  private func showRemote() throws {
    let conditions = ["lsn >= \(from)"] + (device.map { ["device_id = \(sqlLiteral($0))"] } ?? [])
    var script = QueryScript(
      text: "SELECT * FROM events WHERE \(conditions.joined(separator: " AND ")) ORDER BY lsn", format: format)
    script.saysFooter = false
    try script.run(at: location.place())
  }
}
