import TSEngine

/// R5: the last batch came to each length of its bytes, with whatever behind it.
struct TornTails: Campaign {
  let name = "torn-tails"
  let criterion = "R5"
  let claim = "every length of the last batch, cut off or followed by zeros, stale or random bytes: whole batches only, the tail kept as .torn"
  let counts = (small: 600, full: 40_000, nightly: 400_000)

  func run(seed: UInt64, _ tally: Tally, only: Int?) {
    let life = Life(seed: seed)
    defer { life.end() }
    life.work(steps: 3 + Int(seed % 9))
    var random = SimRandom(seed: seed)
    var tail: (operation: DiskOperation, disk: SimDisk)?
    life.disk.before = { operation in
      guard operation.kind == .write, operation.path.hasPrefix("s/log/"), !operation.path.hasSuffix(".tmp"),
        operation.bytes.contains(where: { $0 != 0 }), tail == nil
      else { return }
      tail = (operation, SimDisk(copyOf: life.disk.base, seed: seed))
    }
    var ledger = life.ledger
    if life.store == nil { try? life.open() }
    guard let store = life.store else { return }
    let request = life.nextRequest()
    _ = ledger.send(request, now: life.clock.nowNanos(), store.symbols)
    _ = try? store.append(request(store.symbols), creator: Bench.actor)
    guard let tail else { return }
    var point = 0
    for length in 0..<tail.operation.bytes.count {
      for rest in 0..<4 {
        let noise = random.next()
        visit(&point, seed, tally, only: only, "\(length) of \(tail.operation.bytes.count) bytes, rest \(rest)") {
          (_) throws(Judge.Wrong) in
          try tear(tail.operation, SimDisk(copyOf: tail.disk, seed: seed), length, rest, noise, ledger, life)
        }
      }
    }
  }

  private func tear(
    _ operation: DiskOperation, _ disk: SimDisk, _ length: Int, _ rest: Int, _ noise: UInt64,
    _ ledger: Ledger, _ life: Life
  ) throws(Judge.Wrong) {
    let missing = operation.bytes.count - length
    var dice = SimRandom(seed: noise)
    disk.damage(operation.path) { file in
      let before = file
      file.removeLast(max(0, file.count - operation.offset))
      file += operation.bytes[..<length]
      switch rest {
      case 0: break
      case 1: file += [UInt8](repeating: 0, count: missing)
      case 2:
        // What a recycled block may hold: an earlier batch of the same file.
        let stale = before.dropFirst(4096).prefix(operation.bytes.count).dropFirst(length)
        file += stale + [UInt8](repeating: 0, count: max(0, missing - stale.count))
      default: file += (0..<missing).map { _ in UInt8(truncatingIfNeeded: dice.next()) }
      }
    }
    let before = disk.contents(operation.path) ?? []
    try Judge.recover(
      disk, ledger, at: life.clock.nowNanos(), seed: life.seed, retries: noise % 16 == 0)
    let after = disk.contents(operation.path) ?? []
    let cut = before.dropFirst(after.count)
    guard noise % 16 != 0, cut.contains(where: { $0 != 0 }) else { return }
    let kept = disk.allContents().filter { $0.key.hasSuffix(".torn") }
    guard kept.values.contains(where: { $0.suffix(cut.count).elementsEqual(cut) }) else {
      throw Judge.Wrong(text: "\(cut.count) bytes cut off and not kept")
    }
  }
}
