import Testing

@testable import TSEngine

/// A client of a store that remembers what was acknowledged and what was on its way, over any
/// number of lives of the store.
///
/// `possible` holds the states that a recovery may show: what is acknowledged, then that with one,
/// two, … of the requests whose outcome nobody learned. The store must be in one of them, whole.
final class StoreLife {
  enum Kind: CaseIterable {
    case append, group, bulk, seal, delete, compact, witness, decide, reopen, step
  }

  let bench: StoreBench
  private(set) var store: Store?
  private(set) var possible: [StoreModel] = [StoreModel()]
  private(set) var kinds: Set<Kind> = []
  private var ackedEvents = 0
  private var maker: BatchMaker
  private var random: SimRandom

  init(seed: UInt64) {
    bench = StoreBench(seed: seed, checkpointSegmentLimit: 1, sharing: .small(seed))
    maker = BatchMaker(seed: seed, start: StoreBench.start)
    random = SimRandom(seed: seed)
  }

  func work(steps: Int) {
    do throws(StorageError) {
      if store == nil { store = try bench.open() }
      for step in 0..<steps {
        bench.clock.advance(nanos: 1_000_000)
        guard let store else { return }
        let count = Kind.allCases.count
        let kind = Kind.allCases[step < count ? step : random.below(count)]
        kinds.insert(kind)
        do throws(StorageError) {
          try run(kind, store)
          ackedEvents = max(ackedEvents, try store.snapshot().events().count)
        } catch {
          if bench.disk.isOff || store.failure != nil { return }
        }
      }
      try store?.close()
      store = nil
    } catch {}
  }

  private func run(_ kind: Kind, _ store: Store) throws(StorageError) {
    switch kind {
    case .append:
      let batch = maker.batch(store.symbols)
      try attempt(batch, store) { () throws(StorageError) in
        _ = try store.append(batch, creator: StoreBench.actor)
      }
    case .group: try group(store)
    case .bulk:
      var batch = FrameBatch(table: 1)
      batch.addPower("d1", at: StoreBench.start + Int64(random.below(5)) * 400_000_000)
      batch.addPower("d\(random.below(9))", at: StoreBench.start, value: Int64(random.below(2)))
      let load = batch
      try attempt(load, store) { () throws(StorageError) in
        var writer = try store.bulkWriter(1, creator: StoreBench.actor)
        try writer.append(load)
        _ = try writer.commit()
      }
    case .seal: try store.seal()
    case .delete: try delete(store)
    case .compact: try store.compact([.byAge, .packed, .cold][random.below(3)])
    case .step:
      // Of a day behind the last seal: everything is worth merging.
      bench.clock.advance(nanos: 86_400_000_000_000)
      for _ in 0..<30 { _ = store.compactStep() }
    case .witness: _ = store.maintain()
    case .decide:
      let number = random.below(1000)
      _ = try store.decide(actor: StoreBench.actor) { $0.createUser("u\(number)", $1) }
    case .reopen:
      try store.close()
      self.store = nil
      self.store = try bench.open()
    }
  }

  /// Some instants of one device.
  private func delete(_ store: Store) throws(StorageError) {
    let device = "d\(random.below(3))"
    let first = StoreBench.start + Int64(random.below(4)) * 500_000_000
    let times = first...(first + Int64(random.below(4)) * 500_000_000)
    let spans = (0..<2).map { SeriesSpans(device: device, probe: Int32($0), times: [times]) }
    var after = possible[possible.count - 1]
    after.versions = after.versions.filter { key, _ in
      key.series.table != 1 || key.series.device != device || !(0...1).contains(key.series.probe)
        || !times.contains(key.time)
    }
    try attempt(after, store) { () throws(StorageError) in
      _ = try store.delete(1, spans, extent: RemovalExtent(), actor: StoreBench.actor)
    }
  }

  private func attempt(
    _ batch: FrameBatch, _ store: Store, _ work: () throws(StorageError) -> Void
  ) throws(StorageError) {
    var after = possible[possible.count - 1]
    _ = after.append(batch, now: bench.clock.nowNanos(), symbols: store.symbols, schema: .power)
    try attempt(after, store, work)
  }

  /// The state `after` is possible from now on, and the only one once `work` is acknowledged.
  private func attempt(
    _ after: StoreModel, _ store: Store, _ work: () throws(StorageError) -> Void
  ) throws(StorageError) {
    do throws(StorageError) {
      try work()
      possible = [after]
    } catch {
      // Refused by a store that goes on means not stored.
      if bench.disk.isOff || store.failure != nil { possible.append(after) }
      throw error
    }
  }

  /// Several requests that wait together and share a sync.
  private func group(_ store: Store) throws(StorageError) {
    var models = [possible[possible.count - 1]]
    var latches: [Latch<Result<AppendResult, StorageError>>] = []
    for _ in 0..<3 {
      let batch = maker.batch(store.symbols)
      var after = models[models.count - 1]
      _ = after.append(batch, now: bench.clock.nowNanos(), symbols: store.symbols, schema: .power)
      models.append(after)
      let latch = Latch<Result<AppendResult, StorageError>>()
      latches.append(latch)
      try store.append(.init(batch, creator: StoreBench.actor), done: latch.fulfil)
    }
    store.writing?.writer.drive()
    let answers = latches.compactMap(\.current)
    #expect(answers.count == latches.count, "everybody is answered")
    let acked = answers.prefix { if case .success = $0 { true } else { false } }.count
    if acked == answers.count {
      possible = [models[acked]]
    } else if bench.disk.isOff || store.failure != nil {
      possible = acked > 0 ? Array(models[acked...]) : possible + models[1...]
    } else {
      // Refused one by one; a later one may have been taken. Start over from what is there.
      guard let rows = try? StoreReading.versions(store) else { return }
      var model = StoreModel()
      for (row, _) in rows { model.versions[row.key, default: []].append(row.cells) }
      possible = [order(model, store)]
    }
  }

  /// The versions of a model read back, the visible one last.
  private func order(_ model: StoreModel, _ store: Store) -> StoreModel {
    guard let visible = try? StoreReading.rows(store.snapshot()) else { return model }
    var ordered = model
    for (key, cells) in visible {
      ordered.versions[key]?.removeAll { $0 == cells }
      ordered.versions[key]?.append(cells)
    }
    return ordered
  }

  func die(isKill: Bool, seed: UInt64) {
    store = nil
    if isKill { bench.disk.restart() } else { bench.disk.crash(seed: seed) }
  }

  /// Opens twice; both times the store must be one of the possible ones, whole.
  func recover(_ note: String) throws {
    for round in 0..<2 {
      let opened = try bench.open()
      #expect(opened.damages.isEmpty, "\(note): losing power is no damage: \(opened.damages)")
      _ = StoreReading.digest(opened, note)
      #expect(try opened.snapshot().events().count >= ackedEvents, "\(note): events lost")
      let rows = try StoreReading.rows(opened.snapshot(), note)
      if let match = possible.last(where: { $0.visible == rows }) {
        possible = [match]
        // Equal versions written back are told apart by the model only where it knows of them.
        #expect(Set(try StoreReading.versions(opened).keys).isSubset(of: match.allVersions.keys))
      } else {
        let near = StoreModelRun.difference(rows, possible[0].visible)
        Issue.record("\(note) round \(round): \(possible.count) states, none fits: \(near)")
        possible = [StoreModel()]
      }
      if round == 0 { bench.disk.restart() } else { store = opened }
    }
  }

  func expectReadable(_ store: Store, _ note: String) throws {
    let rows = try StoreReading.rows(store.snapshot(), note)
    #expect(possible.contains { $0.visible == rows }, "\(note): reads go on")
  }
}
