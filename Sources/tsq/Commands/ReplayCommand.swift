import ArgumentParser
import TSEngine

struct ReplayCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "replay",
    abstract: "Rebuild the registry from its events and print its digest.",
    discussion: """
      The same events give the same digest in any process, on any machine, and in a store that
      was restored to the same position.

      EXAMPLES:
        tsq replay --digest
        tsq replay --to 1000 --digest
        tsq replay --to 2026-01-01T00:00:00Z --digest
      """)

  @Option(help: ArgumentHelp("Stop at this position of the log, or at this instant.", valueName: "TIME|LSN"))
  var to: String?
  @Flag(help: "Print the SHA-256 of the registry that comes of it.") var digest = false
  @OptionGroup var location: StoreLocation

  func run() throws {
    let last = try to.map { try CommandTime.moment($0) }
    try StoreAccess.reading(location.directory("replay")) { store in
      let snapshot = store.snapshot()
      if case .lsn(let lsn)? = last, lsn > snapshot.lsn {
        throw CommandError.failed("the log ends at lsn \(snapshot.lsn)")
      }
      var registry = TSEngine.Registry()
      var count = 0
      var events = snapshot.eventCursor()
      while let event = try events.next() {
        guard last.map({ Self.includes($0, event) }) ?? true else { break }
        registry.apply(event)
        count += 1
      }
      if last == nil, registry.digest != snapshot.registry.digest {
        throw CommandError(
          .damaged, "the registry in use differs from a replay of its events; run: tsq verify")
      }
      Terminal.note(
        "\(Figures.grouped(count)) events to lsn \(registry.lastEventLSN): "
          + "\(registry.devices.count) devices, \(registry.users.count) users")
      guard digest else { return }
      let text = registry.digest.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
      try FileSink(descriptor: 1).writeThrough(text)
    }
  }

  /// By when it was recorded, as `FOR SYSTEM_TIME` has it: an event is committed a moment later.
  private static func includes(_ moment: Moment, _ event: Event) -> Bool {
    switch moment {
    case .lsn(let last): event.lsn <= last
    case .time(let last): event.recordedAt <= last
    }
  }
}
