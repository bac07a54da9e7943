import Query
import TSEngine

/// One run of all figures on stores of its own, each answer checked.
package struct BenchRun {
  package struct Settings: Sendable {
    package var sensors = 100
    package var seconds = 3600
    /// Seconds of the data that are streamed, each one commit.
    package var streamedSeconds = 400
    package var seed: UInt64 = 1
    package init() {}
    /// A tenth of the fleet for ten minutes: seconds instead of minutes.
    package static var quick: Settings {
      var settings = Settings()
      settings.sensors = 10
      settings.seconds = 600
      settings.streamedSeconds = 60
      return settings
    }
  }

  package struct Report: Sendable {
    package var settings = Settings()
    package var rowCount = 0
    package var bulk = LoadFigures()
    /// One commit a second of all sensors, and of ten of them.
    package var stream100 = LoadFigures()
    package var stream10 = LoadFigures()
    package var bitsPerValueStreamed = 0.0
    package var bitsPerValueCompacted = 0.0
    package var bitsPerValueBulk = 0.0
    package var bitsPerValueCold = 0.0
    package var openMillis = 0.0
    package var queries: [QueryBench.Figure] = []
    package var isRight: Bool { queries.allSatisfy(\.isRight) }
  }

  private let settings: Settings
  private let directory: String
  private let progress: (String) -> Void

  /// - Parameter directory: an empty folder for the stores; the caller removes it.
  package init(_ settings: Settings, directory: String, progress: @escaping (String) -> Void) {
    self.settings = settings
    self.directory = directory
    self.progress = progress
  }

  package func run(_ data: MeterData) throws -> Report {
    var report = Report()
    report.settings = settings
    report.rowCount = data.rowCount
    try bulk(data, &report)
    try stream(data, &report)
    return report
  }

  /// The data stand for what was just measured: the store must not make them cold by itself.
  private static var options: StoreOptions {
    var options = StoreOptions()
    options.coldAfterNanos = .max
    return options
  }

  private func bulk(_ data: MeterData, _ report: inout Report) throws {
    progress("bulk append of \(data.valueCount) values")
    let path = directory + "/bulk"
    let store = try Store.open(path, Self.options)
    report.bulk = try IngestBench.bulk(data, into: store)
    report.bitsPerValueBulk = Self.bits(store, data.valueCount)
    progress("compaction")
    try store.compact(.packed)
    report.bitsPerValueCompacted = Self.bits(store, data.valueCount)
    try store.close()
    let begun = IngestBench.now()
    let reopened = try Store.open(path, Self.options)
    report.openMillis = Double(IngestBench.now() - begun) / 1e6
    progress("seven queries")
    report.queries = try QueryBench(data, reopened.snapshot()).run()
    progress("the cold form")
    try reopened.compact(.cold)
    report.bitsPerValueCold = Self.bits(reopened, data.valueCount)
    try reopened.close()
  }

  private func stream(_ data: MeterData, _ report: inout Report) throws {
    progress("durable streaming")
    let store = try Store.open(directory + "/stream", Self.options)
    let seconds = min(settings.streamedSeconds, data.seconds / 2)
    report.stream100 = try IngestBench.stream(
      data, sensors: data.sensors, seconds: 0..<seconds, into: store)
    try store.seal()
    report.bitsPerValueStreamed = Self.bits(store, report.stream100.valueCount)
    report.stream10 = try IngestBench.stream(
      data, sensors: min(10, data.sensors), seconds: seconds..<(2 * seconds), into: store)
    try store.close()
  }

  /// Bits a value in data segments, index and all.
  private static func bits(_ store: Store, _ valueCount: Int) -> Double {
    let bytes = store.snapshot().segments.reduce(0) { $0 + $1.byteCount }
    return Double(bytes * 8) / Double(max(valueCount, 1))
  }
}

extension BenchRun.Report {
  /// The figures by the names of the contract.
  package var figures: [(name: String, value: Double)] {
    [
      ("bulk_values_per_s", bulk.valuesPerSecond),
      ("stream100_values_per_s", stream100.valuesPerSecond),
      ("stream10_values_per_s", stream10.valuesPerSecond),
      ("commit_p50_ms", stream100.percentile(0.5)), ("commit_p99_ms", stream100.percentile(0.99)),
      ("bits_per_value_streamed", bitsPerValueStreamed),
      ("bits_per_value_bulk", bitsPerValueBulk), ("bits_per_value_hot", bitsPerValueCompacted),
      ("bits_per_value_cold", bitsPerValueCold), ("open_ms", openMillis),
    ] + queries.map { ("\($0.name)_ms", $0.millis) }
  }

  package var json: String {
    let members =
      [
        "\"sensors\": \(settings.sensors)", "\"seconds\": \(settings.seconds)",
        "\"seed\": \(settings.seed)", "\"rows\": \(rowCount)", "\"answers_right\": \(isRight)",
      ] + figures.map { "\"\($0.name)\": \(($0.value * 1e6).rounded() / 1e6)" }
    return "{\n  " + members.joined(separator: ",\n  ") + "\n}\n"
  }
}
