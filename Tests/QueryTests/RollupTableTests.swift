import TSEngine
import Testing

@testable import Query

/// Rollups as SQL sees them.
@Suite struct RollupTableTests {
  private let second: Int64 = 1_000_000_000
  private let actor = Actor(.operator, "ann")

  private func open() throws -> Store {
    var options = StoreOptions()
    options.maintainsItself = false
    options.reserveByteCount = 4096
    options.disk = SimDisk(seed: 1)
    options.clock = SimClock(nanos: 1_700_000_000_000_000_000)
    options.rng = SimRNG(seed: 1)
    return try Store.open("s", options)
  }

  private func rows(_ store: Store, _ sql: String) throws -> [String] {
    try QueryEngine.execute(sql, on: store, actor: actor).rows().map { row in
      row.map { $0.text ?? "NULL" }.joined(separator: "|")
    }
  }

  @Test func declaredRollupsAndTheirBucketsAreTables_T08() throws {
    let store = try open()
    let start = 1_699_990_000 * second / (900 * second) * 900 * second
    var batch = FrameBatch(table: 1)
    batch.beginFrame(device: "m")
    let times = try #require(RegularTimes(start: start, span: 3600 * second, count: 3600))
    batch.beginRun(probe: 1, times: .regular(times))
    batch.add(1, (0..<3600).map { Int64($0 % 100) })
    batch.add(4, constant: second)
    _ = try store.append(batch, creator: actor)
    _ = try store.decide(actor: actor) { [second] in $0.declareRollup("power", every: 900 * second, $1) }
    #expect(try rows(store, "SELECT name, columns, windows FROM rollups") == ["power_15m|power pf voltage|0"])
    let energy = try rows(store, "SELECT energy(power, 'Wns') FROM power")
    for stage in 0..<2 {
      let sums = try rows(store, "SELECT count(*), sum(power_count), max(power_max), max(pf_count) FROM power_15m")
      #expect(sums == ["4|3600|99|0"], "stage \(stage)")
      let parts = try rows(store, "SELECT power_integral FROM power_15m").compactMap { Int128($0) }
      #expect(parts.count == 4 && "\(parts.reduce(0, +))" == energy[0], "stage \(stage)")
      try store.compact()
    }
    #expect(try rows(store, "SELECT DISTINCT revision, stored, power_coverage = 1.0 FROM power_15m") == ["0|true|true"])
    #expect(try rows(store, "SELECT windows, stored_windows, buckets FROM rollups") == ["1|1|4"])
  }
}
