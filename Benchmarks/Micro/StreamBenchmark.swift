import Bench
import TSEngine

/// Durable appends of one-second frames, each acknowledged after its sync.
enum StreamBenchmark {
  private static func number(_ arguments: [String], _ index: Int, _ standard: Int) -> Int {
    index < arguments.count ? Int(arguments[index]) ?? standard : standard
  }

  /// A commit holds a second of a producer's sensors.
  static func commits(_ arguments: [String]) throws {
    let (sensors, seconds) = (number(arguments, 0, 100), number(arguments, 1, 400))
    let producers = number(arguments, 2, 1)
    let data = MeterData(sensors: sensors * producers, seconds: seconds, seed: 1)
    let store = try Store.open("microbench-store")
    defer { try? store.close() }
    let figures = try IngestBench.stream(
      data, sensors: sensors, seconds: 0..<seconds, producers: producers, into: store)
    print("values_per_s \(Int(figures.valuesPerSecond))")
    for (name, p) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0)] {
      print("commit_\(name)_ms \(figures.percentile(p))")
    }
  }

  /// Each frame is a request of its own, as a broker's round or many connections bring them.
  static func frames(_ arguments: [String]) throws {
    let (sensors, seconds) = (number(arguments, 0, 100), number(arguments, 1, 400))
    let round = number(arguments, 2, 500)
    let data = MeterData(sensors: sensors, seconds: seconds, seed: 1)
    let store = try Store.open("microbench-store")
    defer { try? store.close() }
    let requests = (0..<seconds).flatMap { second in
      (0..<sensors).map { sensor in
        CommitRequest.AppendRequest(
          IngestBench.frames(data, sensors: sensor..<(sensor + 1), second: second),
          creator: Actor(.system, "bench"))
      }
    }
    let begun = IngestBench.now()
    var first = 0
    while first < requests.count {
      let end = min(first + round, requests.count)
      for result in store.append(each: Array(requests[first..<end])) { _ = try result.get() }
      first = end
    }
    let elapsed = IngestBench.seconds(since: begun)
    print("frames_per_s \(Int(Double(requests.count) / elapsed))")
  }
}
