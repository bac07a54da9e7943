import Bench
import TSEngine

/// `microbench bulk [sensors] [seconds] [runs]`: a bulk append of the benchmark's data into a new
/// store: wall time, and processor time of all threads.
func bulk(_ arguments: [String]) throws {
  let numbers = arguments.compactMap { Int($0) }
  let runs = numbers.count > 2 ? numbers[2] : 1
  let data = MeterData(
    sensors: numbers.first ?? 100, seconds: numbers.count > 1 ? numbers[1] : 3600, seed: 1)
  for run in 0..<runs {
    let store = try Store.open("microbench-bulk-\(run)", SizeBench.options)
    let began = cpuSeconds()
    let figures = try IngestBench.bulk(data, into: store)
    let cpu = cpuSeconds() - began
    print(
      "bulk: wall \(figure(figures.valuesPerSecond / 1e6, 1, width: 0)) M values/s, processor time "
        + "\(figure(Double(data.valueCount) / cpu / 1e6, 1, width: 0)) M values/s/core")
    try store.close()
  }
}
