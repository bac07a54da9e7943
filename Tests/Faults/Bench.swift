import TSEngine

/// The folder, the clock's start and the small limits that every campaign opens its stores with.
enum Bench {
  static let path = "s"
  static let start: Int64 = 1_700_000_000_000_000_000
  static let floor: Int64 = 946_684_800_000_000_000
  static let future: Int64 = 300_000_000_000
  static let actor = Actor(.daemon, "faults")

  static func options(_ disk: any Disk, _ clock: any Clock, seed: UInt64) -> StoreOptions {
    var options = StoreOptions()
    options.maintainsItself = false
    options.reserveByteCount = 4096
    options.cacheByteLimit = 1 << 20
    options.log.preallocatedByteCount = 4096
    options.tailKeptByteCount = 0
    options.removalGraceNanos = 0
    options.disk = disk
    options.clock = clock
    options.rng = SimRNG(seed: seed)
    // One is worth it at every occasion, or at few.
    options.checkpointSegmentLimit = seed % 2 == 0 ? 1 : 4
    // All buckets are stored, or those of the longer runs.
    options.rollups.leastRows = seed % 2 == 0 ? 1 : 30
    options.rollups.rowsPerBucket = seed % 2 == 0 ? 0 : 2
    // Groups under way behind each other, as several threads make them.
    options.lookahead = 1 + Int(seed % 3)
    return options
  }
}
