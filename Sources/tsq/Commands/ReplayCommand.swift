import ArgumentParser
import TSEngine

struct ReplayCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "replay",
    abstract: "Rebuild the registry from its events and print its digest.",
    discussion: """
      The same events give the same digest in any process, on any machine.

      EXAMPLES:
        tsq replay --digest
        tsq replay --to 1000 --digest
      """)

  @Option(help: ArgumentHelp("Stop at this position of the log, or at this instant.", valueName: "TIME|LSN"))
  var to: String?
  @Flag(help: "Print the SHA-256 of the registry that comes of it.") var digest = false
  @OptionGroup var location: StoreLocation

  func run() throws {
    let last = try to.map(Bound.init)
    try StoreAccess.reading(location.directory("replay")) { store in
      let snapshot = store.snapshot()
      var registry = TSEngine.Registry()
      var count = 0
      for event in snapshot.events() {
        guard last?.includes(event) ?? true else { break }
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

  private enum Bound {
    case lsn(LSN)
    case instant(Int64)

    init(_ text: String) throws {
      if let number = UInt64(text) {
        self = .lsn(number)
      } else {
        self = .instant(try CommandTime.parse(text))
      }
    }

    func includes(_ event: Event) -> Bool {
      switch self {
      case .lsn(let last): event.lsn <= last
      case .instant(let last): event.recordedAt <= last
      }
    }
  }
}
