import Bench
import TSEngine

/// `microbench bulk [sensors] [seconds]`: a bulk append, compaction and reopening of the
/// benchmark's data: processor time and wall time, bits a value.
func bulk(_ arguments: [String]) throws {
  let sensors = arguments.first.flatMap { Int($0) } ?? 100
  let seconds = arguments.dropFirst().first.flatMap { Int($0) } ?? 3600
  let data = MeterData(sensors: sensors, seconds: seconds, seed: 1)
  let store = try Store.open("microbench-bulk")
  defer { try? store.close() }
  let began = cpuSeconds()
  let figures = try IngestBench.bulk(data, into: store)
  let cpu = cpuSeconds() - began
  print("bulk: wall \(figure(figures.valuesPerSecond / 1e6, 1, width: 0)) M values/s, processor time \(figure(cpu, 3, width: 0)) s = \(figure(Double(data.valueCount) / cpu / 1e6, 1, width: 0)) M values/s/core")
  func bits() -> String {
    figure(Double(store.snapshot().segments.reduce(0) { $0 + $1.byteCount } * 8) / Double(data.valueCount), 4, width: 0)
  }
  print("bits a value: \(bits())")
}
