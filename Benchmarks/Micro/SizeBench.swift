import Bench
import TSEngine

/// `microbench sizes [sensors] [seconds] [streamed seconds]`: bits a value of the benchmark's data,
/// keys, times and index with them, as they come to rest: streamed and sealed, bulk-loaded; then
/// compacted, packed and cold.
enum SizeBench {
  /// The data stand for new ones: nothing is done with them unasked.
  static var options: StoreOptions {
    var options = StoreOptions()
    options.coldAfterNanos = .max
    options.compactsItself = false
    return options
  }

  static func run(_ arguments: [String]) throws {
    let numbers = arguments.compactMap { Int($0) }
    let sensors = numbers.first ?? 100
    let seconds = numbers.count > 1 ? numbers[1] : 3600
    let streamed = min(seconds, numbers.count > 2 ? numbers[2] : 600)
    let data = MeterData(sensors: sensors, seconds: seconds, seed: 1)
    let stream = try Store.open("microbench-sizes-stream", options)
    let load = try IngestBench.stream(data, sensors: sensors, seconds: 0..<streamed, into: stream)
    try stream.seal()
    try report("streamed, sealed", stream, load.valueCount)
    try compactions(stream, load.valueCount)
    try stream.close()
    let bulk = try Store.open("microbench-sizes-bulk", options)
    _ = try IngestBench.bulk(data, into: bulk)
    try report("bulk", bulk, data.valueCount)
    try compactions(bulk, data.valueCount)
    try bulk.close()
  }

  private static func compactions(_ store: Store, _ valueCount: Int) throws {
    for (name, form) in [("packed", CompactionForm.packed), ("cold", .cold)] {
      let began = cpuSeconds()
      try store.compact(form)
      let rate = Double(valueCount) / (cpuSeconds() - began) / 1e6
      try report("compacted \(name)", store, valueCount)
      print("  compaction: \(figure(rate, 1, width: 0)) M values/s of processor time")
    }
  }

  private static func report(_ name: String, _ store: Store, _ valueCount: Int) throws {
    let segments = store.snapshot().segments
    let byteCount = segments.reduce(0) { $0 + $1.byteCount }
    var parts: [String: Int] = [:]
    var blockCount = 0
    for segment in segments {
      let directory = try segment.directory()
      let names = Dictionary(uniqueKeysWithValues: directory.columns.map { ($0.id, $0.name) })
      var seen: Set<Int> = []
      func count(_ part: String, _ section: Section?) {
        guard case .stored(let offset, let byteCount, _)? = section, seen.insert(offset).inserted
        else { return }
        parts[part, default: 0] += byteCount
      }
      blockCount += directory.blockCount
      for table in [directory.table, directory.shared.table] {
        for position in table.rows.indices {
          count("times", table.timeSection(position))
          count("lsns", table.lsnSection(position))
          for column in table.columns(position) {
            count(names[column] ?? "\(column)", table.section(position, column))
          }
        }
      }
    }
    parts["index, headers"] = byteCount - parts.values.reduce(0, +)
    func bits(_ bytes: Int) -> String { figure(Double(bytes) * 8 / Double(valueCount), 4, width: 0) }
    let split = parts.sorted { $0.key < $1.key }.map { "\($0.key) \(bits($0.value))" }
    print(
      "\(name): \(bits(byteCount)) bits a value (\(valueCount) values, \(segments.count) segments, "
        + "\(blockCount) blocks): " + split.joined(separator: ", "))
  }
}
