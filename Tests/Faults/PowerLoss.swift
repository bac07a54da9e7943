import TSEngine

/// R3: the machine loses power before each file operation: each unsynced sector of 512 or 4096
/// bytes, each size, creation, rename and removal survives or not; all outcomes where they are few.
struct PowerLoss: Campaign {
  let name = "power-loss"
  let criterion = "R3"
  let claim = "power lost at every file operation, unsynced sectors and names lost and reordered: nothing acknowledged is lost"
  let counts = (small: 1_500, full: 60_000, nightly: 1_000_000)
  private static let exhaustiveLimit = 12
  private static let perPoint = 24

  func run(seed: UInt64, _ tally: Tally, only: Int?) {
    let life = Life(seed: seed)
    defer { life.end() }
    var point = 0
    func lose(_ place: String, _ dice: SimDice) -> SimDice {
      guard tally.isOpen else { return dice }
      var dice = dice
      let disk = SimDisk(copyOf: life.disk.base, seed: seed)
      disk.crash(&dice)
      visit(&point, seed, tally, only: only, "power lost before \(place)") { (point) throws(Judge.Wrong) in
        try Judge.recover(
          disk, life.ledger, at: life.clock.nowNanos(), seed: seed &+ UInt64(point),
          retries: point % 8 == 0, checksDigest: point % 16 == 0)
      }
      return dice
    }
    life.disk.before = { operation in
      let place = "\(operation.kind) of \(operation.path)"
      var dice = SimDice(script: [])
      SimDisk(copyOf: life.disk.base).crash(&dice)
      if dice.thrown.count <= Self.exhaustiveLimit {
        // A walk in order: all outcomes where they are few, else the first ones.
        var script: [Bool]? = []
        for _ in 0..<Self.perPoint {
          guard let next = script else { return }
          script = lose(place, SimDice(script: next)).nextScript
        }
      }
      for round in 0..<3 as Range<UInt64> {
        _ = lose("power lost before \(place)", SimDice(seed: seed &* 1_000_003 &+ UInt64(point) &+ round))
      }
    }
    life.work(steps: CrashPoints.steps)
    if let complaint = life.complaint { tally.fail(seed, point, complaint) }
  }
}
