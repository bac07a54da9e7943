import TSEngine

extension Store {
  /// An empty store on a simulated disk at 2026-01-02T00:00:00Z, whose threads do nothing by themselves.
  static func simulated() throws -> Store {
    var options = StoreOptions()
    options.maintainsItself = false
    options.reserveByteCount = 4096
    options.disk = SimDisk(seed: 1)
    options.clock = SimClock(nanos: 1_767_312_000_000_000_000)
    options.rng = SimRNG(seed: 1)
    return try Store.open("s", options)
  }
}
