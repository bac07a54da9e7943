import Bench
import Glibc
import TSEngine

/// `microbench paced [sensors] [seconds of wall time] [million values/s]`: commits at a fixed rate
/// while sealing and compaction run. Each holds a second of all sensors; its latency counts from when
/// it was due, so a stall is counted for all that waited. The hour of data is sent again and again with
/// later times. Nothing takes the cold form: in a fleet it comes a week later, at the fleet's own pace.
enum PacedBenchmark {
  static func run(_ arguments: [String]) throws {
    let numbers = arguments.compactMap { Int($0) }
    let sensors = numbers.first ?? 100
    let wallSeconds = numbers.count > 1 ? numbers[1] : 60
    let rate = Double(numbers.count > 2 ? numbers[2] : 20) * 1e6
    let data = MeterData(sensors: sensors, seconds: 600, seed: 1)
    var options = StoreOptions()
    options.coldAfterNanos = .max
    let store = try Store.open("microbench-paced", options)
    defer { try? store.close() }
    let period = Double(sensors * MeterData.probes * MeterData.ticksPerSecond * 3) / rate
    let count = Int(Double(wallSeconds) / period)
    // What the commits bring lies behind the clock, however many they are.
    let first = (SystemClock().nowNanos() / 1_000_000_000 - Int64(count) - 3600) * 1_000_000_000
    var millis: [Double] = []
    millis.reserveCapacity(count)
    let began = IngestBench.now()
    var toldSecond = 0
    for commit in 0..<count {
      let batch = IngestBench.frames(
        data, sensors: 0..<sensors, second: commit % 600, at: first + Int64(commit) * 1_000_000_000)
      let due = began + Int64(Double(commit) * period * 1e9)
      let early = due - IngestBench.now()
      if early > 0 { usleep(UInt32(early / 1000)) }
      try append(batch, to: store)
      millis.append(Double(IngestBench.now() - due) / 1e6)
      let second = Int(Double(commit) * period)
      if second >= toldSecond + 30 {
        toldSecond = second
        report(store, "after \(second) s", millis)
      }
    }
    report(store, "after \(Int(IngestBench.seconds(since: began))) s", millis)
  }

  private static func append(_ batch: FrameBatch, to store: Store) throws {
    while true {
      do throws(StorageError) {
        _ = try store.append(batch, creator: Actor(.system, "bench"))
        return
      } catch {
        guard error.code == .overloaded else { throw error }
        usleep(1000)
      }
    }
  }

  private static func report(_ store: Store, _ when: String, _ millis: [Double]) {
    let sorted = millis.sorted()
    func percentile(_ p: Double) -> String {
      figure(sorted[min(sorted.count - 1, Int(Double(sorted.count) * p))], 2, width: 0)
    }
    let segments = store.snapshot().manifest.data
    let bytes = segments.reduce(0) { $0 + $1.byteCount }
    print(
      "\(when): commit p50 \(percentile(0.5)) p99 \(percentile(0.99)) p99.9 \(percentile(0.999)) max "
        + "\(percentile(1)) ms; \(segments.count) data segments, \(bytes >> 20) MiB, resident "
        + "\(residentByteCount() >> 20) MiB")
  }

  private static func residentByteCount() -> Int {
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var (total, resident) = (0, 0)
    _ = withUnsafeMutablePointer(to: &total) { total in
      withUnsafeMutablePointer(to: &resident) { resident in
        withVaList([total, resident]) { vfscanf(file, "%ld %ld", $0) }
      }
    }
    return resident * 4096
  }
}
