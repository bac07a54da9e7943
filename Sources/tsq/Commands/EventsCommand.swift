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
      with where to go on; nothing is left out and nothing comes twice. A server that is
      away or busy is asked again. Where one runs, use --connect: it is asked twice a
      second, while a followed --store is opened anew after every change, which takes as
      long as any opening; the pauses grow with it.

      To people, an association backdated with --at shows events that lie behind their
      position: those are not told to a follower, and found with --from.

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

  func validate() throws {
    guard !follow || [nil, .csv, .ndjson, .list, .line].contains(format) else {
      throw ValidationError("--follow prints a line at a time; its --format is ndjson, csv, list or line")
    }
  }

  func run() throws {
    let kinds = kind.flatMap { $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init) }
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
    _ = try Interrupts.shared.during(stop: { isStopped.raise() }) {
      try writer.begin(LogSource.columns)
      var (watch, pace) = (source.watch, FollowPace())
      while !isStopped.isRaised {
        let began = ContinuousClock.now
        do {
          if watch?.hasChanged() ?? true {
            try source.pages(from: position) { page, next in
              try writer.write(TextRows(cells: page))
              // What each line says is out before the next pause.
              try writer.end()
              position = next
              return !isStopped.isRaised
            }
          }
          pace.succeeded(after: ContinuousClock.now - began, isOpened: watch != nil)
        } catch {
          // A store that was never there is none that is away.
          guard RemoteFailure.isPassing(error), watch == nil || pace.hasSucceeded else { throw error }
          watch = source.watch
          pace.failed()
          let sentence = (error as? CommandError)?.sentence ?? (error as? SQLError)?.message ?? "\(error)"
          if !isStopped.isRaised { Terminal.note("\(sentence); asking again in \(pace.text), from \(position)") }
        }
        pace.rest { isStopped.isRaised }
      }
    }
    throw CommandError.interrupted
  }
}

/// How long a follower waits before it looks again.
struct FollowPace {
  /// How long what happened may wait to be seen.
  private static let least = Duration.milliseconds(500)
  private static let most = Duration.seconds(30)
  /// An opened store is left alone for so many times as long as its opening took.
  private static let share = 9

  private(set) var pause = FollowPace.least
  private(set) var hasSucceeded = false
  private var failures = 0

  /// Of the pause, for people.
  var text: String { pause < .seconds(1) ? "half a second" : "\(pause.components.seconds) s" }

  /// - Parameter isOpened: of a store, which each look opens; a server only answers.
  mutating func succeeded(after taken: Duration, isOpened: Bool) {
    (hasSucceeded, failures) = (true, 0)
    pause = isOpened ? max(Self.least, taken * Self.share) : Self.least
  }

  /// Pauses grow from half a second to half a minute.
  mutating func failed() {
    pause = min(Self.most, Self.least * (1 << min(failures, 6)))
    failures += 1
  }

  /// In parts of half a second, as long as not told to stop.
  func rest(until isOver: () -> Bool) {
    var left = pause
    while left > .zero, !isOver() {
      let part = min(left, Self.least)
      _ = poll(nil, 0, Int32(part / .milliseconds(1)))
      left -= part
    }
  }
}
