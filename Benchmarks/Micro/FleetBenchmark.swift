import Bench
import Glibc
import TSEngine

/// What a fleet of idle series costs: resident memory and the time to open.
enum FleetBenchmark {
  static func run(_ arguments: [String]) throws {
    let devices = (arguments.first.flatMap { Int($0) } ?? 1_000_000) / MeterData.probes
    let path = "microbench-fleet"
    let store = try Store.open(path)
    var writer = try store.bulkWriter(TableSchema.power.id, creator: Actor(.system, "bench"))
    var batch = FrameBatch(table: TableSchema.power.id)
    for device in 0..<devices {
      if device % 10_000 == 0 {
        try writer.append(batch)
        batch.removeAll()
      }
      batch.beginFrame(device: "meter-\(device)")
      for probe in 1...Int32(MeterData.probes) {
        batch.beginRun(probe: probe, times: .explicit([MeterData.start + Int64(device)]))
        batch.add(1, constant: Int64(device % 3000))
      }
    }
    try writer.append(batch)
    let begun = IngestBench.now()
    let rows = try writer.commit().new
    print("rows \(rows) commit_s \(IngestBench.seconds(since: begun))")
    try store.close()
    let before = residentBytes()
    let opening = IngestBench.now()
    let again = try Store.open(path)
    print("open_ms \(IngestBench.seconds(since: opening) * 1000)")
    print("resident_mb \((residentBytes() - before) >> 20) (before \(before >> 20))")
    try again.close()
  }

  private static func residentBytes() -> Int {
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    guard fgets(&line, 256, file) != nil else { return 0 }
    let fields = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
      .split(separator: " ")
    return fields.count > 1 ? (Int(fields[1]) ?? 0) * 4096 : 0
  }
}
