import Testing

@testable import TSEngine

/// What befalls stored readings, one claim each; `LifecycleModelTests` has all of it at random.
@Suite struct LifecycleTests {
  private let start = StoreBench.start
  private let second: Int64 = 1_000_000_000
  private let twin = TableID(1).quarantine

  private func spans(
    _ device: String, _ times: ClosedRange<Int64> = .min ... .max, probes: [Int32] = [1, 2, 3]
  ) -> [SeriesSpans] {
    probes.map { SeriesSpans(device: device, probe: $0, times: [times]) }
  }

  private func append(_ store: Store, _ batch: FrameBatch) throws -> AppendResult {
    var result = try store.append(batch, creator: StoreBench.actor)
    result.lsn = 0
    return result
  }

  private func count(_ new: Int = 0, same: Int = 0, conflict: Int = 0, expired: Int = 0) -> AppendResult {
    var result = AppendResult()
    (result.new, result.same, result.conflict, result.expired) = (new, same, conflict, expired)
    return result
  }

  @discardableResult
  private func delete(_ store: Store, _ spans: [SeriesSpans], seenAt: LSN? = nil) throws -> LSN {
    try store.delete(
      1, spans, extent: store.snapshot().extent(of: 1, spans), seenAt: seenAt,
      actor: Actor(.operator, "ann"), cause: Cause(reason: "wrong sensor"))
  }

  private func rows(_ snapshot: Snapshot) throws -> [RowKey: Cells] {
    try StoreReading.rows(snapshot)
  }

  private func power(_ store: Store, _ device: String = "a") throws -> Set<CellValue> {
    Set(try rows(store.snapshot()).filter { $0.key.series.device == device }.compactMap { $0.value[1] })
  }

  /// A floor that rose after a loader gathered its rows counts for them.
  @Test func aLoadKeepsToTheFloorOfItsFlush_T11() throws {
    let store = try StoreBench().open()
    let day = 86_400 * second
    var load = try store.bulkWriter(1, creator: StoreBench.actor)
    for age in 0..<3 as Range<Int64> { try load.append(.power("a", at: start - age * day, probes: [1])) }
    let floor = start - day + 500_000_000
    _ = try store.decide(actor: StoreBench.actor) { $0.setRetention("power", floor: floor, $1) }
    var result = try load.commit()
    result.lsn = 0
    #expect(result == count(30, expired: 30))
    let left = try rows(store.snapshot())
    #expect(left.count == 30 && left.keys.allSatisfy { $0.time >= floor })
  }

  // MARK: Deletes

  @Test func aDeleteHasADryRunAndIsAnEventWithAuthorAndReason_T11() throws {
    let store = try StoreBench().open()
    _ = try append(store, .power("a", at: start))
    _ = try append(store, .power("b", at: start))
    let chosen = spans("a", start...(start + 450_000_000), probes: [1, 2])
    let extent = try store.snapshot().extent(of: 1, chosen)
    #expect(extent.rowCount == 20 && extent.seriesCount == 2 && extent.byteCount > 0)
    #expect(try rows(store.snapshot()).count == 120, "a dry run takes nothing")
    let lsn = try delete(store, chosen)
    #expect(try rows(store.snapshot()).count == 100)
    let event = try #require(try store.snapshot().events().last)
    #expect(event.lsn == lsn && event.kind.name == "readings.deleted")
    #expect(event.actor.id == "ann" && event.cause.reason == "wrong sensor")
    guard case .readingsDeleted(_, _, let rows, _) = event.kind else { return }
    #expect(rows == 20)
  }

  @Test func aRetransmissionOfDeletedReadingsIsNewThenSame_T11() throws {
    let bench = StoreBench()
    var store = try bench.open()
    _ = try append(store, .power("a", at: start))
    for turn in 0..<5 {
      try delete(store, spans("a"))
      #expect(try rows(store.snapshot()).isEmpty)
      switch turn {
      case 1: try store.seal()
      case 2: try store.compact()
      case 3:
        try store.close()
        store = try bench.open()
      default: break
      }
      #expect(try append(store, .power("a", at: start)) == count(60), "turn \(turn)")
      #expect(try append(store, .power("a", at: start)) == count(same: 60), "turn \(turn)")
    }
  }

  @Test func onlyTouchedBlocksLoseTheirStatisticsAndCompactionGivesThemBack_T11() throws {
    let bench = StoreBench()
    var store = try bench.open()
    for device in ["a", "b"] { _ = try append(store, .power(device, at: start, probes: [1], count: 900)) }
    try store.seal()
    func stretch(_ device: String) throws -> Stretch? {
      try store.snapshot().scan(1, .init(devices: [device])).stretches.first
    }
    let tick: Int64 = 50_000_000
    try delete(store, spans("a", (start + 100 * tick)...(start + 199 * tick)))
    #expect(try stretch("b")?.statistics(of: 1)?.count == 900)
    #expect(try stretch("b")?.isBlock == true, "another series is not even masked")
    #expect(try stretch("a")?.statistics(of: 1) == nil)
    #expect(try stretch("a")?.hasExactRowCount == false)
    #expect(try stretch("a")?.rows().count == 800)
    try store.compact()
    #expect(try stretch("a")?.statistics(of: 1)?.count == 800, "nothing is left to mask")
    try store.close()
    store = try bench.open()
    #expect(try stretch("a")?.statistics(of: 1)?.count == 800)
    let before = store.snapshot().manifest.data
    try store.compact()
    #expect(store.snapshot().manifest.data == before, "applied once, not at every compaction")
  }

  @Test func aSeriesThatIsGoneLeavesThePlanAndAtCompactionTheDisk_T11() throws {
    let store = try StoreBench().open()
    _ = try append(store, .power("a", at: start, probes: [1], count: 900))
    try store.seal()
    let lsn = try delete(store, spans("a"))
    let plan = try store.snapshot().scan(1)
    #expect(plan.stretches.isEmpty && plan.prunedCount == 1)
    try store.compact()
    #expect(store.snapshot().manifest.data.isEmpty)
    #expect(store.snapshot().manifest.removed[1]?.newestLSN == lsn)
  }

  @Test func readingsChosenByValueAreNotTakenWhenOthersCameToTheirInstants_T11() throws {
    let store = try StoreBench().open()
    _ = try append(store, .power("a", at: start, probes: [1]))
    let seen = store.durableLSN
    _ = try append(store, .power("a", at: start + 25_000_000, probes: [1], count: 4))
    #expect(throws: StorageError.self) {
      try delete(store, spans("a", start...(start + second)), seenAt: seen)
    }
    #expect(try rows(store.snapshot()).count == 24)
    try delete(store, spans("a", (start + second / 2)...(start + second)), seenAt: seen)
    #expect(try rows(store.snapshot()).count == 14, "what came elsewhere does not hinder")
  }

  @Test func manyStretchesTakeSeveralEventsOfOneBatch_T11() throws {
    let store = try StoreBench().open()
    _ = try append(store, .power("a", at: start, probes: [1]))
    let times = (0..<90_000).map { (start + Int64($0) * 2)...(start + Int64($0) * 2) }
    let events = try store.snapshot().events().count
    try delete(store, [SeriesSpans(device: "a", probe: 1, times: times)])
    let added = try store.snapshot().events().dropFirst(events)
    #expect(added.count == 3 && added.allSatisfy { $0.kind.name == "readings.deleted" })
    #expect(try rows(store.snapshot()).count == 19)
  }

  // MARK: Retention

  @Test func belowTheRetentionFloorReadingsGoAndLaterOnesExpire_T11() throws {
    let bench = StoreBench()
    var store = try bench.open()
    _ = try append(store, .power("a", at: start, probes: [1]))
    func setFloor(_ floor: Int64) throws {
      _ = try store.decide(actor: StoreBench.actor) { $0.setRetention("power", floor: floor, $1) }
        .result.get()
    }
    bench.clock.advance(nanos: second)
    try setFloor(start + second / 2)
    #expect(try rows(store.snapshot()).count == 10)
    #expect(try append(store, .power("a", at: start, probes: [1])) == count(same: 10, expired: 10))
    try store.close()
    store = try bench.open()
    #expect(try append(store, .power("a", at: start, probes: [1])) == count(same: 10, expired: 10))
    try setFloor(.min)
    #expect(try append(store, .power("a", at: start, probes: [1])) == count(10, same: 10))
    #expect(throws: Refusal.future) { try setFloor(start + 3600 * second) }
  }

  // MARK: Conflicts

  private func conflicts(_ store: Store) throws -> [Snapshot.Conflict] {
    var all: [Snapshot.Conflict] = []
    let failure = store.snapshot().conflicts(of: 1) { conflict -> Bool in
      all.append(conflict)
      return true
    }
    if let failure { throw failure }
    return all
  }

  private func setPolicy(_ store: Store, _ policy: ConflictPolicy) throws {
    try store.decide(actor: StoreBench.actor) { $0.setConflictPolicy("power", policy, $1) }
      .result.get()
  }

  @Test func bothValuesOfAConflictAreKeptAndThePolicyTellsWhichIsRead_T03() throws {
    for policy in [ConflictPolicy.last, .first] {
      let bench = StoreBench()
      var store = try bench.open()
      try setPolicy(store, policy)
      _ = try append(store, .power("a", at: start, probes: [1], count: 1, value: 7))
      #expect(
        try append(store, .power("a", at: start, probes: [1], count: 1, value: 9)) == count(conflict: 1))
      for state in ["head", "sealed", "compacted", "reopened"] {
        switch state {
        case "sealed": try store.seal()
        case "compacted": try store.compact()
        case "reopened":
          try store.close()
          store = try bench.open()
        default: break
        }
        #expect(try power(store) == [.int(policy == .last ? 109 : 107)], "\(policy) \(state)")
        let conflict = try #require(try conflicts(store).first)
        let values = conflict.versions.map { version in version.values.first { $0.column == 1 }?.slot }
        #expect(values == (policy == .last ? [109, 107] : [107, 109]), "\(policy) \(state)")
      }
    }
  }

  @Test func aTableThatRejectsTakesNothingOfARequestThatDiffers_T03() throws {
    let store = try StoreBench().open()
    try setPolicy(store, .reject)
    _ = try append(store, .power("a", at: start))
    var other = FrameBatch.power("b", at: start)
    other.addPower("a", at: start, value: 5)
    #expect(throws: Intake.rejected) { try append(store, other) }
    #expect(try rows(store.snapshot()).count == 60 && conflicts(store).isEmpty)
    #expect(try append(store, .power("a", at: start)) == count(same: 60))
  }

  @Test func aChangeOfPolicyTouchesNothingThatIsStored_T03() throws {
    let store = try StoreBench().open()
    for value in [7, 9] as [Int64] {
      _ = try append(store, .power("a", at: start, probes: [1], count: 1, value: value))
    }
    try setPolicy(store, .first)
    #expect(try power(store) == [.int(109)])
    _ = try append(store, .power("a", at: start, probes: [1], count: 1, value: 11))
    #expect(try power(store) == [.int(109)], "what came under `first` does not displace")
    try store.compact()
    #expect(try power(store) == [.int(109)])
  }

  @Test func aResolutionIsAnEventAndHoldsWhateverThePolicy_T03() throws {
    for policy in [ConflictPolicy.last, .first] {
      let bench = StoreBench()
      var store = try bench.open()
      try setPolicy(store, policy)
      for value in [7, 9] as [Int64] {
        _ = try append(store, .power("a", at: start, probes: [1], count: 1, value: value))
      }
      let conflict = try #require(try conflicts(store).first)
      let loser = conflict.versions[1]
      let before = store.durableLSN
      let lsn = try store.resolve(
        conflict.series, at: conflict.time, choosing: loser.lsn, actor: Actor(.operator, "ann"))
      let wanted: Set<CellValue> = [.int(policy == .last ? 107 : 109)]
      #expect(try power(store) == wanted)
      try store.compact()
      try store.close()
      store = try bench.open()
      #expect(try power(store) == wanted)
      #expect(try conflicts(store).first?.versions.count == 3)
      let registry = store.snapshot().registry
      #expect(registry.lifecycles.resolution(of: 1, lsn: lsn) == lsn - 1)
      #expect(try store.snapshot().events().last?.kind.name == "conflict.resolved")
      #expect(try rows(store.snapshot().asKnown(at: before)).values.compactMap { $0[1] } != Array(wanted))
      #expect(throws: StorageError.self) {
        try store.resolve(conflict.series, at: conflict.time, choosing: 1, actor: StoreBench.actor)
      }
    }
  }

  @Test func twoValuesInOneFrameHaveLSNsOfTheirOwn_T03() throws {
    let store = try StoreBench().open()
    var batch = FrameBatch(table: 1)
    batch.beginFrame(device: "a")
    for value in [7, 9] as [Int64] {
      batch.beginRun(probe: 1, times: .explicit([start]))
      batch.add(1, constant: value)
    }
    #expect(try append(store, batch) == count(1, conflict: 1))
    let versions = try #require(try conflicts(store).first?.versions)
    #expect(Set(versions.map(\.lsn)).count == 2)
    var load = try store.bulkWriter(1, creator: StoreBench.actor)
    for value in [1, 2, 3] as [Int64] {
      try load.append(.power("b", at: start, probes: [1], count: 1, value: value))
    }
    let answer = try load.commit()
    #expect(answer.new == 1 && answer.conflict == 2)
    let loaded = try #require(try conflicts(store).last?.versions)
    #expect(Set(loaded.map(\.lsn)).count == 3 && loaded[0].lsn == store.durableLSN)
  }

  // MARK: Quarantine

  @Test func quarantinedReadingsAreReleasedShiftedOrDroppedAndNothingElseIsTouched_T07() throws {
    let bench = StoreBench()
    var store = try bench.open()
    let far = start + 4_000_000_000 * second
    _ = try append(store, .power("a", at: start, probes: [1]))
    for device in ["a", "b", "c"] {
      let result = try append(store, .power(device, at: far, probes: [1]))
      #expect(result.quarantined == 20)
    }
    let before = try rows(store.snapshot()).filter { $0.key.series.table == 1 }
    func settle(_ device: String, _ action: QuarantineAction, _ shift: Int64) throws -> AppendResult {
      try store.settleQuarantine(
        of: 1, spans(device, probes: [1]), action, shift: shift, actor: Actor(.operator, "ann"))
    }
    #expect(try settle("a", .released, 0).new == 20)
    #expect(try settle("b", .released, start - far).new == 20)
    #expect(try settle("c", .dropped, 0).new == 0)
    #expect(try settle("c", .released, 0) == AppendResult(), "nothing is left to release")
    for state in ["head", "compacted", "reopened"] {
      if state == "compacted" { try store.compact() }
      if state == "reopened" {
        try store.close()
        store = try bench.open()
      }
      let now = try rows(store.snapshot())
      #expect(now.keys.allSatisfy { $0.series.table == 1 }, "\(state): the quarantine is empty")
      #expect(now.count == 60 && before.allSatisfy { now[$0.key] == $0.value }, "\(state)")
      #expect(now.keys.filter { $0.series.device == "a" && $0.time >= far }.count == 20, "\(state)")
      #expect(now.keys.filter { $0.series.device == "b" && $0.time < far }.count == 20, "\(state)")
    }
    #expect(
      try store.snapshot().events().map(\.kind.name).suffix(3)
        == ["quarantine.settled", "quarantine.settled", "quarantine.settled"])
  }

  // MARK: The past

  @Test func asKnownAtShowsWhatWasKnownBeforeLateDataDeletesAndCorrections_T12() throws {
    let bench = StoreBench()
    let store = try bench.open()
    var moments: [(time: Int64, rows: [RowKey: Cells])] = []
    func act(_ body: () throws -> Void) throws {
      bench.clock.advance(nanos: second)
      try body()
      moments.append((bench.clock.nowNanos(), try rows(store.snapshot())))
    }
    try act { _ = try append(store, .power("a", at: start)) }
    try act { _ = try append(store, .power("a", at: start - 60 * second)) }
    try act { _ = try append(store, .power("a", at: start, value: 5)) }
    try act { try delete(store, spans("a", probes: [2])) }
    try act { _ = try append(store, .power("b", at: start)) }
    func check() throws {
      for moment in moments {
        let past = store.snapshot().asKnown(atTime: moment.time + second / 2)
        #expect(try rows(past) == moment.rows)
      }
      #expect(try rows(store.snapshot().asKnown(atTime: start - 1)).isEmpty)
    }
    try check()
    try store.seal()
    try check()
  }

  @Test func asKnownAtBeforeAPhysicalRemovalIsAnErrorNeverAWrongAnswer_T12() throws {
    let bench = StoreBench()
    var store = try bench.open()
    _ = try append(store, .power("a", at: start))
    let before = store.durableLSN
    let lsn = try delete(store, spans("a", probes: [2]))
    #expect(try rows(store.snapshot().asKnown(at: before)).count == 60)
    let old = store.snapshot()
    try store.compact()
    for _ in 0..<2 {
      #expect(throws: StorageError.self) { try store.snapshot().asKnown(at: before).scan(1) }
      #expect(throws: StorageError.self) { try store.snapshot().asKnown(at: lsn - 1).scan(1) }
      #expect(try rows(store.snapshot().asKnown(at: lsn)).count == 40)
      #expect(try store.snapshot().asKnown(at: before).scan(twin).stretches.isEmpty, "other tables answer")
      try store.close()
      store = try bench.open()
    }
    #expect(try rows(old.asKnown(at: before)).count == 60, "an older snapshot holds its files")
  }
}
