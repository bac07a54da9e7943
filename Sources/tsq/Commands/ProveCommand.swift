import ArgumentParser
import protocol Query.ByteSink
import TSEngine

struct ProveCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "prove", abstract: "A proof of one reading or event that others can check.",
    discussion: """
      Writes one line of JSON, at most 4 KiB: the reading as the log had it, the way to the root of
      its stretch, and the head of the chain. Whoever kept that head needs only the proof and
      Scripts/check-proof.py to know that the reading was not altered since. What is not sealed yet
      has no proof; tsq compact seals.

      EXAMPLES:
        tsq prove --sensor b827eb08451e --probe 1 --at 2026-01-01T00:00:00Z -o proof.json
        tsq prove --lsn 1234
        tsq prove --chain
      """)

  @Option(help: ArgumentHelp("The device.", valueName: "ID")) var sensor: String?
  @Option(help: ArgumentHelp("Its probe.", valueName: "N")) var probe: Int32 = 1
  @Option(help: ArgumentHelp("The instant of the reading.", valueName: "TIME")) var at: String?
  @Option(help: ArgumentHelp("The table.", valueName: "NAME")) var table = "power"
  @Option(help: ArgumentHelp("Prove the event at this position of the log instead.", valueName: "LSN"))
  var lsn: UInt64?
  @Flag(help: "List the chain instead: each stretch, its root, and the head over all up to it.")
  var chain = false
  @Option(name: [.customShort("o"), .long], help: ArgumentHelp("Write to a file.", valueName: "FILE"))
  var output: String?
  @OptionGroup var location: StoreLocation

  func run() throws {
    let isReading = sensor != nil || at != nil
    guard [isReading, lsn != nil, chain].filter({ $0 }).count == 1 else {
      throw CommandError.usage("name a reading with --sensor and --at, an event with --lsn, or ask for the --chain")
    }
    try StoreAccess.reading(location.directory("prove")) { store in
      let file = try OutputFile(path: output)
      if chain {
        for link in store.chain { try file.sink.write(link.json(store.storeID) + "\n") }
      } else {
        try file.sink.write(try proof(store).json + "\n")
      }
      try file.commit()
    }
  }

  private func proof(_ store: Store) throws -> Proof {
    do {
      if let lsn { return try store.prove(event: lsn) }
      guard let sensor, let at else {
        throw CommandError.usage("a reading is named by both --sensor and --at")
      }
      guard let schema = store.snapshot().table(named: table) else {
        throw CommandError.failed("there is no table \(table)")
      }
      return try store.prove(
        table: schema.id, device: sensor, probe: probe, time: CommandTime.parse(at))
    } catch let error as StorageError where error.code == .notFound {
      throw CommandError.failed("there is nothing to prove: \(error.reason)")
    }
  }
}
