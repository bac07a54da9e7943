import ArgumentParser
import Bench
import Glibc
import TSEngine

/// `tsq bench`: ingest, storage and query figures of this machine.
struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Figures of this machine, every answer checked.",
    discussion: """
      Makes an hour of a hundred meters (21.6 M rows, 64.8 M values), loads it in bulk and as a
      stream of durable commits, and times the seven queries. --quick takes a tenth of both.

      EXAMPLE: tsq bench --quick --json figures.json
      """)

  @Flag(help: "A small fleet for ten minutes.") var quick = false
  @Option(help: ArgumentHelp("Also write the figures as JSON.", valueName: "FILE")) var json: String?
  @Option(help: "Of the generated data.") var seed: UInt64 = 1
  @Option(help: ArgumentHelp("Work here, and keep the stores.", valueName: "DIR")) var dir: String?
  @Option(help: ArgumentHelp("Write the data as NumPy arrays, for peers.", valueName: "DIR"))
  var data: String?

  func run() throws {
    var settings = quick ? BenchRun.Settings.quick : BenchRun.Settings()
    settings.seed = seed
    Terminal.note("making \(settings.sensors) meters x \(settings.seconds) s")
    let meters = MeterData(sensors: settings.sensors, seconds: settings.seconds, seed: seed)
    if let data { try export(meters, to: data) }
    let directory = try dir ?? Self.temporaryDirectory()
    defer { if dir == nil { Self.removeTree(directory) } }
    let report = try BenchRun(settings, directory: directory) { Terminal.note($0) }.run(meters)
    for figure in report.figures { print(Self.line(figure.name, figure.value)) }
    if let json {
      let file = try OutputFile(path: json)
      try file.sink.write(report.json)
      try file.commit()
    }
    let wrong = report.queries.filter { !$0.isRight }.map(\.name)
    guard wrong.isEmpty else {
      throw CommandError.failed("wrong answers: \(wrong.joined(separator: ", "))")
    }
  }

  private func export(_ meters: MeterData, to directory: String) throws {
    System.makeDirectory(directory, mode: 0o755)
    for (name, series) in [("power", meters.power), ("pf", meters.pf), ("voltage", meters.voltage)] {
      let path = "\(directory)/\(name).npy"
      unlink(path)
      try ArrayFile.write(series, sensors: meters.sensors, to: path)
    }
  }

  private static func line(_ name: String, _ value: Double) -> String {
    let shown = value >= 1000 ? "\(Int(value.rounded()))" : "\((value * 1000).rounded() / 1000)"
    let padding = String(repeating: " ", count: max(1, 40 - name.count - shown.count))
    return name + padding + shown
  }

  private static func temporaryDirectory() throws -> String {
    let temporary = System.environment("TMPDIR") ?? "/tmp"
    var template = Array("\(temporary)/tsq-bench-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else {
      throw CommandError.failed("no temporary folder could be made; give one with --dir")
    }
    return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// Removes a folder that this command made.
  private static func removeTree(_ path: String) {
    guard let names = try? PosixDisk().list(path) else {
      unlink(path)
      return
    }
    for name in names { removeTree("\(path)/\(name)") }
    rmdir(path)
  }
}
