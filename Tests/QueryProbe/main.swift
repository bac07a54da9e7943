import Bench
import TSEngine

/// `query-probe DIR [sensors] [seconds] [threads]`: the seven queries over a fresh store in DIR.
let arguments = CommandLine.arguments
let sensors = arguments.count > 2 ? Int(arguments[2]) ?? 10 : 10
let seconds = arguments.count > 3 ? Int(arguments[3]) ?? 3600 : 3600
let threads = arguments.count > 4 ? Int(arguments[4]) : nil
let data = MeterData(sensors: sensors, seconds: seconds, seed: 1)
let store = try Store.open(arguments[1])
if store.snapshot().series(of: TableSchema.power.id).isEmpty {
  let figures = try IngestBench.bulk(data, into: store)
  print("bulk: \(Int(figures.valuesPerSecond / 1e6)) M values/s")
}
let bench = QueryBench(data, store.snapshot())
for query in bench.queries {
  if let measure = try bench.measure(query.name, times: 9, threads: threads) {
    print("\(measure.name): \(measure.median) ms (\(measure.millis[0]) ... \(measure.millis[8]))")
  }
  if arguments.count > 5 { for line in try bench.explain(query.name) { print("    " + line) } }
}
try store.close()
