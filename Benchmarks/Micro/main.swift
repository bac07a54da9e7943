import Bench
import TSEngine

/// `microbench stream [sensors] [seconds] [bytes written ahead]`: durable one-second commits of a fleet, each acknowledged
/// after its sync, in a store of its own below the current folder.
func stream(_ arguments: [String]) throws {
  let sensors = arguments.first.flatMap { Int($0) } ?? 100
  let seconds = arguments.dropFirst().first.flatMap { Int($0) } ?? 400
  let data = MeterData(sensors: sensors, seconds: seconds, seed: 1)
  var options = StoreOptions()
  if let ahead = arguments.dropFirst(2).first.flatMap({ Int($0) }) {
    options.log.preallocatedByteCount = ahead
  }
  let store = try Store.open("microbench-store", options)
  defer { try? store.close() }
  let figures = try IngestBench.stream(data, sensors: sensors, seconds: 0..<seconds, into: store)
  print("values_per_s \(Int(figures.valuesPerSecond))")
  for (name, p) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0)] {
    print("commit_\(name)_ms \(figures.percentile(p))")
  }
}

switch CommandLine.arguments.dropFirst().first {
case "stream": try stream(Array(CommandLine.arguments.dropFirst(2)))
case "codec": try codec(Array(CommandLine.arguments.dropFirst(2)))
case "bulk": try bulk(Array(CommandLine.arguments.dropFirst(2)))
default:
  print(
    "usage: microbench codec [sensors] | bulk [sensors] [seconds] | "
      + "stream [sensors] [seconds] [bytes written ahead]")
}
