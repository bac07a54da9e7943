import ArgumentParser
import struct Query.ResultColumn
import TSEngine

struct CompactCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compact", abstract: "Seal what is new and merge all into the final, smallest form.",
    discussion: """
      Readings older than a week take the cold form, a fifth smaller and slower to scan; newer ones
      stay packed. A store that is open for writing does the same by itself, a day at a time.

      Readings that were deleted or fell below a retention leave the files a week later; until then
      AS KNOWN AT and a restore to before find them. --purge takes them off at once, for good.

      EXAMPLE: tsq compact --store demo
      """)
  @Flag(help: "The cold form for all readings, whatever their age.") var cold = false
  @Flag(help: "The cold form for none.") var packed = false
  @Flag(help: "Take removed readings off for good at once, without their week of grace.") var purge = false
  @OptionGroup var location: StoreLocation

  func validate() throws {
    if cold && packed { throw ValidationError("choose one of --cold and --packed") }
  }

  func run() throws {
    let directory = try location.directory("compact")
    try StoreAccess.writing(directory) { store in
      let progress = Progress()
      let before = try StoreFigures(store)
      progress.show { "compacting \(directory)" }
      try store.compact(cold ? .cold : packed ? .packed : .byAge, purges: purge)
      progress.clear()
      let after = try StoreFigures(store)
      Terminal.note(
        "\(before.segments) data segments of \(Figures.bytes(before.dataBytes)) became \(after.segments) of "
          + "\(Figures.bytes(after.dataBytes)) in \(Figures.duration(nanos: Int64(progress.elapsedSeconds * 1e9)))")
    }
  }
}

struct StatsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "stats", abstract: "What a store holds and how large it is.",
    discussion: "EXAMPLE: tsq stats --store demo --format json")
  @Option(help: "table, csv, json, ndjson, markdown, line or list.") var format: OutputFormat = .line
  @OptionGroup var location: StoreLocation

  func run() throws {
    let directory = try location.directory("stats")
    try StoreAccess.reading(directory) { store in
      let rows = try StoreFigures(store).rows(directory)
      try format.print(rows.map { ResultColumn(name: $0.0, kind: $0.1) }, [rows.map(\.2)])
    }
  }
}
