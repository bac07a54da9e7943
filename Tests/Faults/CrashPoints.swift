import TSEngine

/// R1: the process is killed before and after each file operation, and amid each write.
struct CrashPoints: Campaign {
  let name = "crash-points"
  let criterion = "R1"
  let claim = "killed before, after and amid every file operation: nothing acknowledged is lost, nothing is there twice"
  let counts = (small: 1_500, full: 140_000, nightly: 1_000_000)
  /// Each operation of the workload once, then two at random.
  static var steps: Int { Workload.operations.count + 2 }

  func run(seed: UInt64, _ tally: Tally, only: Int?) {
    let life = Life(seed: seed)
    defer { life.end() }
    var point = 0
    func kill(_ what: String, retries: Bool = false, _ change: (SimDisk) -> Void = { _ in }) {
      visit(&point, seed, tally, only: only, what) { (point) throws(Judge.Wrong) in
        let disk = SimDisk(copyOf: life.disk.base, seed: seed)
        change(disk)
        try Judge.recover(
          disk, life.ledger, at: life.clock.nowNanos(), seed: seed &+ UInt64(point), retries: retries,
          checksDigest: point % 16 == 0, losesPower: point % 8 == 3)
      }
    }
    life.disk.before = { operation in
      kill("killed before \(operation.kind) of \(operation.path)")
      for count in Self.torn(operation) {
        kill("killed in a write of \(operation.path) after \(count) bytes") { disk in
          guard let file = try? disk.open(operation.path, .readWrite) else { return }
          try? file.write(operation.bytes.rawSpan.extracting(0..<count), at: operation.offset)
        }
      }
    }
    life.disk.after = { operation in
      kill("killed after \(operation.kind) of \(operation.path)", retries: true)
    }
    life.work(steps: Self.steps)
    if let complaint = life.complaint { tally.fail(seed, point, complaint) }
  }

  /// How many bytes of a write got through.
  static func torn(_ operation: DiskOperation) -> [Int] {
    guard operation.kind == .write else { return [] }
    var counts: [Int] = []
    for count in [1, 7, 512, 4096, operation.bytes.count - 1]
    where count > 0 && count < operation.bytes.count && !counts.contains(count) { counts.append(count) }
    return counts
  }
}

/// R2: recovery itself is killed, twice in a row, at each of its operations.
struct RecoveryKills: Campaign {
  let name = "recovery-kills"
  let criterion = "R2"
  let claim = "recovery killed at each of its operations, twice in a row, ends in the same store"
  let counts = (small: 300, full: 10_000, nightly: 100_000)

  func run(seed: UInt64, _ tally: Tally, only: Int?) {
    let life = Life(seed: seed)
    defer { life.end() }
    var (point, operations) = (0, 0)
    var random = SimRandom(seed: seed)
    life.disk.before = { operation in
      operations += 1
      guard operations % 23 == Int(seed % 23), tally.isOpen else { return }
      let crashed = SimDisk(copyOf: life.disk.base, seed: seed)
      let torn = CrashPoints.torn(operation)
      if let count = torn.last, let file = try? crashed.open(operation.path, .readWrite) {
        try? file.write(operation.bytes.rawSpan.extracting(0..<(count / 2)), at: operation.offset)
      }
      let wasPowerLost = random.flip()
      if wasPowerLost { crashed.crash(seed: random.next()) }
      killRecoveries(of: crashed, wasPowerLost, life, &point, tally, only, &random)
    }
    life.work(steps: CrashPoints.steps)
  }

  private func killRecoveries(
    of crashed: SimDisk, _ wasPowerLost: Bool, _ life: Life, _ point: inout Int, _ tally: Tally, _ only: Int?,
    _ random: inout SimRandom
  ) {
    let (ledger, nanos, seed) = (life.ledger, life.clock.nowNanos(), life.seed)
    let reference = try? Self.view(SimDisk(copyOf: crashed), nanos, seed)
    var halves: [SimDisk] = []
    _ = try? Self.view(SimDisk(copyOf: crashed), nanos, seed) { disk, _ in
      halves.append(SimDisk(copyOf: disk))
    }
    for half in halves {
      // What a kill left in memory, power may still take: another store, and as right.
      let (isPowerLost, dice) = (wasPowerLost && random.flip(), random.next())
      let second = Int(random.next() % 24)
      visit(&point, seed, tally, only: only, "recovery killed, then again at its operation \(second)") {
        (_) throws(Judge.Wrong) in
        if isPowerLost { half.crash(seed: dice) }
        var again: SimDisk?
        _ = try? Self.view(SimDisk(copyOf: half), nanos, seed) { disk, index in
          if index == second { again = SimDisk(copyOf: disk) }
        }
        let last = again ?? half
        if isPowerLost { last.crash(seed: dice &+ 1) }
        try Judge.recover(SimDisk(copyOf: last), ledger, at: nanos, seed: seed)
        guard let view = try? Self.view(last, nanos, seed) else {
          throw Judge.Wrong(text: "does not open")
        }
        guard let reference, view == reference else {
          throw Judge.Wrong(text: "ends in another store: \(view) instead of \(String(describing: reference))")
        }
      }
    }
  }

  struct View: Equatable {
    var rows: RowSum
    var lsn: LSN
    var digest: [UInt8]
    var eventCount: Int
  }

  /// Opens and reads; shows the disk before each operation of the opening.
  static func view(
    _ disk: SimDisk, _ nanos: Int64, _ seed: UInt64, _ each: ((SimDisk, Int) -> Void)? = nil
  ) throws -> View {
    let watched = WatchedDisk(disk)
    if let each {
      var index = 0
      watched.before = { _ in
        each(disk, index)
        index += 1
      }
    }
    let store = try Store.open(Bench.path, Bench.options(watched, SimClock(nanos: nanos), seed: seed))
    let snapshot = store.snapshot()
    return View(
      rows: try Reading.sums(snapshot)[0], lsn: snapshot.lsn, digest: snapshot.registry.digest,
      eventCount: try snapshot.events().count)
  }
}
