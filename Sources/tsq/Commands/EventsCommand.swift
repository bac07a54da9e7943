import ArgumentParser
import Glibc
import Query
import TSEngine

struct EventsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "events",
    abstract: "The journal: what happened to devices and users, by whom and why.",
    discussion: """
      Without --kind it is all that happened to the registry. --kind takes kinds, as
      device.renamed, beginnings of them, as user, and signals: data_received,
      status_changed, connected, disconnected, command_sent, provisioned; all is all.

      --follow goes on as things happen, until Ctrl-C, a line each (ndjson). It ends
      with where to go on; nothing is left out and nothing comes twice.

      EXAMPLES:
        tsq events --device b827eb08451e
        tsq events --from 1000 --format ndjson
        tsq events --kind connected,disconnected --type lampi --follow
      """)

  @Option(help: ArgumentHelp("Begin at this position of the log.", valueName: "LSN")) var from: UInt64 = 0
  @Option(help: ArgumentHelp("Only what concerns this device.", valueName: "ID")) var device: String?
  @Option(help: ArgumentHelp("Only what concerns devices of this type.", valueName: "TYPE")) var type: String?
  @Option(help: ArgumentHelp("Only these kinds and signals.", valueName: "KIND,…")) var kind: [String] = []
  @Flag(help: "Go on as events come.") var follow = false
  @Option(help: "table, csv, json, ndjson, markdown, line or list (table; with --follow ndjson).") var format: OutputFormat?
  @OptionGroup var location: StoreLocation

  /// How long what happened may wait to be seen.
  private static let pauseMillis: Int32 = 500

  func validate() throws {
    guard !follow || [nil, .csv, .ndjson, .list, .line].contains(format) else {
      throw ValidationError("--follow prints a line at a time; its --format is ndjson, csv, list or line")
    }
  }

  func run() throws {
    let kinds = kind.flatMap { $0.split(separator: ",").map(String.init) }
    let source = try LogSource(try location.place(), kinds: kinds, type: type, device: device)
    // The form of the answer is settled before the store is looked at.
    var writer = try (format ?? (follow ? .ndjson : .table)).writer(to: FileSink(descriptor: 1), Terminal.outputStyle)
    if follow { return try goOn(source, &writer) }
    try writer.begin(LogSource.columns)
    try source.pages(from: from) { page, _ in
      try writer.write(TextRows(cells: page))
      return true
    }
    try writer.end()
  }

  /// Until Ctrl-C, or until whoever reads has gone.
  private func goOn(_ source: LogSource, _ writer: inout any RowWriter) throws {
    Interrupts.shared.install()
    let isStopped = StopFlag()
    var position = from
    defer { Terminal.note("go on with --from \(position)") }
    try Interrupts.shared.during(stop: { isStopped.raise() }) {
      try writer.begin(LogSource.columns)
      while !isStopped.isRaised {
        try source.pages(from: position) { page, next in
          try writer.write(TextRows(cells: page))
          // What each line says is out before the next pause.
          try writer.end()
          position = next
          return !isStopped.isRaised
        }
        _ = poll(nil, 0, Self.pauseMillis)
      }
    }
    throw CommandError.interrupted
  }
}
