import Synchronization
import Testing

@testable import TSEngine

/// What the writer decides when several ways into the store meet.
@Suite struct StoreIngestTests {
  let bench = StoreBench()
  let start = StoreBench.start

  /// A bulk append compares its rows with the store's outside the writer's turn; what comes between
  /// the comparison and its turn must be found all the same.
  @Test func rowsThatComeWhileABulkAppendIsWrittenAreNotStoredTwice() throws {
    let disk = InterruptedDisk(bench.disk)
    let store = try bench.open { $0.disk = disk }
    let batch = FrameBatch.power("m1", at: start)
    let raced = Mutex(0)
    disk.beforeRenaming { path in
      guard path.hasPrefix("s/data/") else { return }
      // Another producer sends half of the rows, once.
      let isFirst = raced.withLock { count in
        defer { count += 1 }
        return count == 0
      }
      if isFirst { _ = try? store.append(batch, creator: StoreBench.actor) }
    }
    var bulk = try store.bulkWriter(1, creator: StoreBench.actor)
    try bulk.append(batch)
    try bulk.append(.power("m1", at: start + 60_000_000_000))
    let result = try bulk.commit()
    #expect(result.new == 60 && result.same == 60 && result.conflict == 0)
    #expect(raced.withLock { $0 } == 2, "compared and written anew")
    #expect(try StoreReading.rows(store.snapshot()).count == 120)
    let stored = try store.snapshot().scan(1).stretches.reduce(0) { $0 + $1.rowCount }
    #expect(stored == 120, "no second version of equal values")
    try store.close()
    #expect(try StoreReading.rows(bench.open().snapshot()).count == 120)
  }

  @Test func aBulkAppendMakesMoreDevicesThanOneBatchHolds() throws {
    let store = try bench.open()
    var bulk = try store.bulkWriter(1, creator: StoreBench.actor)
    var batch = FrameBatch(table: 1)
    for number in 0..<20_001 {
      batch.beginFrame(device: "m\(number)")
      batch.beginRun(probe: 1, times: .explicit([start]))
      batch.add(1, constant: Int64(number))
    }
    try bulk.append(batch)
    #expect(try bulk.commit().new == 20_001)
    #expect(store.snapshot().registry.devices.count == 20_001)
    try store.close()
    let again = try bench.open()
    #expect(again.snapshot().registry.devices.count == 20_001)
    #expect(again.damages.isEmpty)
  }

  /// The commit clock derives times from LSNs: it must not run backwards behind a bulk append.
  @Test func commitTimesRiseAcrossABulkAppendAndAClockThatJumpsBack() throws {
    var store = try bench.open()
    var lsns: [LSN] = []
    var bulk = try store.bulkWriter(1, creator: StoreBench.actor)
    try bulk.append(.power("m1", at: start))
    lsns.append(try bulk.commit().lsn)
    bench.clock.jump(toNanos: start - 3_600_000_000_000)
    lsns.append(try store.append(.power("m2", at: start), creator: StoreBench.actor).lsn)
    func expectRising(_ note: String) {
      let times = lsns.map { store.snapshot().commitTime(of: $0) ?? .min }
      #expect(times == times.sorted() && times[0] > 0, "\(note)")
    }
    expectRising("live")
    try store.close()
    store = try bench.open()
    expectRising("reopened")
    lsns.append(try store.append(.power("m3", at: start), creator: StoreBench.actor).lsn)
    try store.seal()
    expectRising("sealed")
  }

  @Test func aFullHeadRefusesReadingsUntilItIsSealed() throws {
    let store = try bench.open { $0.headByteLimit = 64 << 10 }
    var refused: StorageError?
    var stored = 0
    for second in 0..<200 where refused == nil {
      do throws(StorageError) {
        let frame = FrameBatch.power("m\(second % 7)", at: start + Int64(second) * 1_000_000_000)
        stored += try store.append(frame, creator: StoreBench.actor).new
      } catch {
        refused = error
      }
    }
    #expect(refused?.code == .overloaded)
    #expect(stored > 0 && store.failure == nil)
    // Events are not refused: they are few, and associations must not wait for meters.
    let made = try store.decide(actor: StoreBench.actor) { $0.createDevice("other", type: "power", $1) }
    #expect(throws: Never.self) { try made.result.get() }
    try store.seal()
    let frame = FrameBatch.power("m1", at: start + 250_000_000_000)
    #expect(try store.append(frame, creator: StoreBench.actor).new == 60)
    #expect(try StoreReading.rows(store.snapshot()).count == stored + 60)
  }

  /// "Head memory bounded by its setting under any ingest": messages without readings, too.
  @Test func messagesCountInTheHeadAndGoWithItsSealing() throws {
    let store = try bench.open { $0.headByteLimit = 64 << 10 }
    func message(_ number: Int) -> ReceivedMessage {
      ReceivedMessage(
        device: "m1", interface: "mqtt", topic: "power/\(number)", payload: [UInt8](repeating: 7, count: 500))
    }
    let early = store.snapshot()
    var refused: StorageError?
    var kept = 0
    while refused == nil, kept < 1_000 {
      do throws(StorageError) {
        _ = try store.record([OperationalRecord(recordedAt: start, kind: .messageReceived(message(kept)))])
        kept += 1
      } catch {
        refused = error
      }
    }
    #expect(refused?.code == .overloaded && kept > 30 && store.failure == nil, "\(kept)")
    #expect(store.shared.live.withLock { $0.heads[0].byteCount } < 70 << 10)
    let full = store.snapshot()
    // Due by their size alone, without a reading.
    _ = store.maintain()
    #expect(store.shared.live.withLock { $0.heads.map(\.byteCount) } == [0])
    #expect(try store.append(.power("m1", at: start), creator: StoreBench.actor).new == 60)
    // Whoever looked before still finds them, and so does who looks now; nobody twice.
    func count(_ snapshot: Snapshot) throws -> Int {
      let records = try snapshot.newestRecords(limit: .max, where: { _ in true })
      return records.count
    }
    #expect(try count(early) == 0 && count(full) == kept && count(store.snapshot()) == kept)
  }

  /// Rows looked up before the queue count only while nothing newer has come to their series.
  @Test func whatWasLookedUpBeforeTheQueueIsForgottenWhenTheSeriesChanges() throws {
    let store = try bench.open()
    let batch = FrameBatch.power("m1", at: start)
    _ = try store.append(batch, creator: StoreBench.actor)
    let known = try KnownRows(batch, store.shared)
    let lsn = store.durableLSN
    let times = batch.runs[0].times
    let catalog = store.shared.series
    #expect(known.lsn == lsn)
    #expect(catalog.known(known, 0, times)??.count == 20)
    _ = try store.append(.power("m1", at: start + 5_000_000_000), creator: StoreBench.actor)
    #expect(catalog.known(known, 0, times)??.count == 20, "what came behind does not matter")
    _ = try store.append(.power("m1", at: start - 5_000_000_000), creator: StoreBench.actor)
    #expect(catalog.known(known, 0, times) == nil, "decided anew in the writer's turn")
    let none = try KnownRows(.power("m9", at: start), store.shared)
    #expect(catalog.known(none, 0, times) == nil)
  }

  /// Bad instants are refused before anything asks where they lie.
  @Test func runsWithoutOrderOrEndAreRefusedAlsoWhereTheSeriesIsKnown() throws {
    let store = try bench.open()
    _ = try store.append(.power("m1", at: start), creator: StoreBench.actor)
    let endless = RegularTimes(start: start, count: 1 << 40, stepNumerator: 1, stepDenominator: 1)
    for times in [.explicit([]), .explicit([start + 20, start + 10]), .regular(try #require(endless))]
      as [SampleTimes]
    {
      var batch = FrameBatch(table: 1)
      batch.beginFrame(device: "m1")
      batch.beginRun(probe: 1, times: times)
      let error = #expect(throws: StorageError.self) {
        try store.append(batch, creator: StoreBench.actor)
      }
      #expect(error?.code == .invalid)
    }
  }

  /// After a kill the log may hold as much as memory takes: it is sealed before anybody is refused
  /// for ever, and by age as if the process had lived on.
  @Test func whatWasReplayedIsSealedByAgeAndSize() throws {
    var store = try bench.open()
    _ = try store.append(.power("m1", at: start), creator: StoreBench.actor)
    try store.close()
    bench.clock.advance(nanos: 2 * 3_600_000_000_000)
    store = try bench.open()
    #expect(store.snapshot().segments.isEmpty)
    _ = store.maintain()
    #expect(store.snapshot().segments.count == 1)
  }

  @Test func aRefusalForWantOfMemorySaysWhySealingFails() throws {
    let store = try bench.open { $0.headByteLimit = 64 << 10 }
    var second: Int64 = 0
    func fill() -> StorageError? {
      for _ in 0..<200 {
        do throws(StorageError) {
          second += 1
          _ = try store.append(.power("m1", at: start + second * 1_000_000_000), creator: StoreBench.actor)
        } catch {
          return error
        }
      }
      return nil
    }
    #expect(fill()?.reason == "memory for unsealed readings is full")
    store.shared.activity.withLock { $0.sealingFailure = StorageError(.io, "no such device") }
    #expect(fill()?.reason.contains("no such device") == true)
    try store.seal()
    #expect(fill()?.reason.contains("no such device") != true)
  }

  @Test func manyRacingProducersOfTheSameFramesStoreEachOnce() async throws {
    let store = try bench.open()
    let results = try await withThrowingTaskGroup(of: AppendResult.self) { group in
      for _ in 0..<6 {
        group.addTask {
          var sum = AppendResult()
          for second in 0..<30 {
            let frame = FrameBatch.power("m1", at: StoreBench.start + Int64(second) * 1_000_000_000)
            let one = try store.append(frame, creator: StoreBench.actor)
            sum.new += one.new
            sum.same += one.same
            sum.conflict += one.conflict
          }
          return sum
        }
      }
      var all: [AppendResult] = []
      for try await result in group { all.append(result) }
      return all
    }
    #expect(results.reduce(0) { $0 + $1.new } == 30 * 60)
    #expect(results.reduce(0) { $0 + $1.same } == 5 * 30 * 60)
    #expect(results.allSatisfy { $0.conflict == 0 })
    let stored = try store.snapshot().scan(1).stretches.reduce(0) { $0 + $1.rowCount }
    #expect(stored == 30 * 60)
  }
}

/// Forwards to a disk, and lets a test act just before a file is renamed.
final class InterruptedDisk: Disk {
  private let disk: any Disk
  private let hook = Mutex<(@Sendable (String) -> Void)?>(nil)

  init(_ disk: any Disk) { self.disk = disk }

  func beforeRenaming(_ act: @escaping @Sendable (String) -> Void) { hook.withLock { $0 = act } }

  func open(_ path: String, _ mode: OpenMode) throws(StorageError) -> any DiskFile {
    try disk.open(path, mode)
  }
  func list(_ directory: String) throws(StorageError) -> [String] { try disk.list(directory) }
  func exists(_ path: String) -> Bool { disk.exists(path) }
  func createDirectory(_ path: String) throws(StorageError) { try disk.createDirectory(path) }
  func rename(_ from: String, to: String) throws(StorageError) {
    hook.withLock { $0 }?(to)
    try disk.rename(from, to: to)
  }
  func remove(_ path: String) throws(StorageError) { try disk.remove(path) }
  func syncDirectory(_ path: String) throws(StorageError) { try disk.syncDirectory(path) }
  func lock(_ path: String) throws(StorageError) -> any DiskFile { try disk.lock(path) }
  func isUnlocked(_ path: String) throws(StorageError) -> Bool { try disk.isUnlocked(path) }
  func freeBytes(_ path: String) throws(StorageError) -> Int { try disk.freeBytes(path) }
}
