import Glibc
import Synchronization
import Testing

@testable import TSEngine

/// R16: backups beside a writer, and stores made from them as they were at any moment.
@Suite struct BackupTests {
  /// What a store showed at one LSN.
  struct Moment {
    var lsn: LSN
    var time: Int64
    var rows: [RowKey: Cells]
    var versions: [StoredRow: Int]
    var digest: [UInt8]

    init(_ store: Store, _ bench: StoreBench) throws {
      lsn = store.durableLSN
      time = bench.clock.nowNanos()
      rows = try StoreReading.rows(store.snapshot())
      versions = try StoreReading.versions(store)
      digest = StoreReading.digest(store)
    }
  }

  /// A store whose life has every kind of write, and what it showed after each.
  static func history(_ bench: StoreBench, _ store: Store) throws -> [Moment] {
    let start = StoreBench.start
    var moments: [Moment] = []
    func step(_ work: () throws -> Void) throws {
      try work()
      moments.append(try Moment(store, bench))
      bench.clock.advance(nanos: 5_000_000)
    }
    func append(_ device: String, _ second: Int64, _ probes: [Int32] = [1, 2], value: Int64 = 0) throws {
      _ = try store.append(
        .power(device, at: start + second * 1_000_000_000, probes: probes, value: value),
        creator: StoreBench.actor)
    }
    try step { try append("m1", 0) }
    try step { try append("m2", 0) }
    try step { try append("m1", 0, [1], value: 5) }
    try step { try store.seal() }
    try step { try append("m1", 1) }
    try step { try append("m1", 0, [1], value: 9) }
    try step { _ = try store.decide(actor: StoreBench.actor) { $0.createUser("kim", $1) } }
    try step { try store.compact() }
    try step { try append("m3", -50) }
    try step {
      var load = try store.bulkWriter(1, creator: StoreBench.actor)
      try load.append(.power("bulk", at: start, probes: [4], count: 400))
      try load.append(.power("m1", at: start, probes: [1], count: 3, value: 11))
      _ = try load.commit()
    }
    try step { try append("m1", 2) }
    try step { try store.compact() }
    try step { try append("m2", 0, [1], value: 21) }
    try step { try append("m4", 3) }
    try step {
      var load = try store.bulkWriter(1, creator: StoreBench.actor)
      try load.append(.power("m4", at: start, probes: [1], count: 90))
      _ = try load.commit()
    }
    try step { _ = try store.decide(actor: StoreBench.actor) { $0.createUser("lee", $1) } }
    try step { try append("m2", 0, [1], value: 22) }
    return moments
  }

  static func restored(
    _ bench: StoreBench, _ source: String, _ target: String, at moment: TSEngine.Moment? = nil
  ) throws -> (store: Store, report: Restore.Report) {
    let report = try Restore.run(bench.options(), from: source, to: target, at: moment)
    return (try Store.open(target, bench.options()), report)
  }

  static func expect(_ store: Store, is moment: Moment, _ note: String) throws {
    #expect(store.damages.isEmpty, "\(note): \(store.damages)")
    let rows = try StoreReading.rows(store.snapshot(), note)
    #expect(rows == moment.rows, "\(note): \(StoreModelRun.difference(rows, moment.rows))")
    #expect(try StoreReading.versions(store) == moment.versions, "\(note): versions")
    #expect(StoreReading.digest(store, note) == moment.digest, "\(note): digest")
  }

  /// R16: rows, superseded versions and events at every LSN and time, from one backup.
  @Test func aBackupRestoresToEveryMomentOfTheStore() throws {
    let bench = StoreBench(seed: 3, sharing: .small(3))
    let store = try bench.open()
    let moments = try Self.history(bench, store)
    let report = try store.backup(to: "b")
    #expect(report.lsn == store.durableLSN && report.copiedFileCount > 5)
    for (index, moment) in moments.enumerated() {
      for point in [TSEngine.Moment.lsn(moment.lsn), .time(moment.time)] {
        let target = "r\(index)-\(point)"
        var (copy, answer) = try Self.restored(bench, "b", target, at: point)
        #expect(answer.lsn == moment.lsn, "\(target)")
        try Self.expect(copy, is: moment, target)
        let verified = try Verify.run(bench.options(readOnly: true), target)
        #expect(verified.isWhole, "\(target): \(verified.damages)")
        // It is written to like any other, and gives no LSN of the backup again.
        let next = try copy.append(
          .power("m9", at: StoreBench.start), creator: StoreBench.actor)
        #expect(next.new == 60 && next.lsn > report.lsn, "\(target)")
        try copy.compact()
        try copy.close()
        copy = try Store.open(target, bench.options())
        #expect(copy.damages.isEmpty && copy.durableLSN >= next.lsn, "\(target)")
        #expect(try StoreReading.rows(copy.snapshot()).count == moment.rows.count + 60)
        let again = try Verify.run(bench.options(readOnly: true), target)
        #expect(again.isWhole, "\(target): \(again.damages)")
        try copy.close()
      }
    }
  }

  /// The digest of a restored store is that of a replay of the source to the same LSN.
  @Test func T05aRestoredRegistryIsAReplayToThatLSN() throws {
    let bench = StoreBench(seed: 4, sharing: .small(5))
    let store = try bench.open()
    _ = try Self.history(bench, store)
    _ = try store.backup(to: "b")
    for lsn in 1...store.durableLSN {
      let (copy, _) = try Self.restored(bench, "b", "r\(lsn)", at: .lsn(lsn))
      let events = try store.snapshot().events().filter { $0.lsn <= lsn }
      #expect(try copy.snapshot().events() == events)
      #expect(copy.snapshot().registry.digest == replay(events).digest, "lsn \(lsn)")
      try copy.close()
    }
  }

  /// T-13: what is restored is proven again; readings of whole stretches by the roots they had.
  @Test func proofsOutliveBackupAndRestore() throws {
    let bench = StoreBench(seed: 5)
    let store = try bench.open()
    let moments = try Self.history(bench, store)
    _ = try store.backup(to: "b")
    let old = try store.prove(table: 1, device: "m2", probe: 2, time: StoreBench.start)
    for moment in moments.suffix(12) {
      let (copy, _) = try Self.restored(bench, "b", "r\(moment.lsn)-\(moment.time)", at: .lsn(moment.lsn))
      #expect(try copy.prove(table: 1, device: "m2", probe: 2, time: StoreBench.start) == old)
      let keys = moment.rows.keys.filter { !$0.series.table.isQuarantine }.sorted()
      for key in stride(from: 0, to: keys.count, by: 29).map({ keys[$0] }) {
        let proof = try copy.prove(
          table: key.series.table, device: key.series.device, probe: key.series.probe, time: key.time)
        #expect(proof.holds)
      }
      try copy.close()
    }
  }

  /// Only what the earlier backup has not is copied, and the list says so; a backup that is built on
  /// may be moved together with its successor, and its loss is told.
  @Test func anIncrementalBackupHoldsWhatIsNewAndNeedsTheOneBefore() throws {
    let bench = StoreBench(seed: 6)
    let store = try bench.open()
    _ = try Self.history(bench, store)
    try store.seal()
    let full = try store.backup(to: "x/full")
    _ = try store.append(.power("m7", at: StoreBench.start), creator: StoreBench.actor)
    try store.seal()
    let second = try store.backup(to: "x/second", since: "x/full")
    #expect(second.keptFileCount > 3 && second.copiedByteCount < full.copiedByteCount)
    _ = try store.append(.power("m8", at: StoreBench.start), creator: StoreBench.actor)
    let third = try store.backup(to: "x/third", since: "x/second")
    #expect(third.keptFileCount > second.keptFileCount)
    let moment = try Moment(store, bench)
    let (copy, _) = try Self.restored(bench, "x/third", "r")
    try Self.expect(copy, is: moment, "restored from three")
    let kept = try #require(
      try BackupList.read(bench.disk, "x/third").list.files.first { !$0.isHere })
    #expect(!bench.disk.exists("x/third/" + kept.name))

    let full2 = try store.backup(to: "other")
    #expect(full2.keptFileCount == 0)
    // Another backup in the place of the one that is built on is not taken for it.
    try bench.disk.remove("x/second/BACKUP")
    #expect(throws: StorageError.self) { _ = try Restore.run(bench.options(), from: "x/third", to: "r2") }
    let text = Array(try BackupList.read(bench.disk, "x/full").list.text.utf8)
    let file = try bench.disk.open("x/second/BACKUP", .create)
    try file.write(text.rawSpan, at: 0)
    let error = #expect(throws: StorageError.self) {
      _ = try Restore.run(bench.options(), from: "x/third", to: "r3")
    }
    #expect(error?.code == .corrupt)
  }

  @Test func aBackupAndARestoreRefuseAFolderWithAnythingInIt() throws {
    let bench = StoreBench(seed: 7)
    let store = try bench.open()
    _ = try store.append(.power("m1", at: StoreBench.start), creator: StoreBench.actor)
    _ = try store.backup(to: "b")
    for work in [
      { _ = try store.backup(to: "b") },
      { _ = try Restore.run(bench.options(), from: "b", to: "b") },
      { _ = try Restore.run(bench.options(), from: "b", to: StoreBench.path) },
    ] as [() throws -> Void] {
      let error = #expect(throws: StorageError.self) { try work() }
      #expect(error?.code == .invalid)
    }
    for point in [TSEngine.Moment.lsn(0), .lsn(store.durableLSN + 1), .time(1)] {
      let error = #expect(throws: StorageError.self) {
        _ = try Restore.run(bench.options(), from: "b", to: "r\(point)", at: point)
      }
      #expect(error?.code == .invalid, "\(point)")
    }
  }

  /// Beside another process: a reader takes what the log witnesses, and never waits.
  @Test func aReaderBacksUpBesideTheWriter() throws {
    let bench = StoreBench(seed: 8)
    let store = try bench.open()
    _ = try Self.history(bench, store)
    _ = store.maintain()
    let moment = try Moment(store, bench)
    let report = try Backup.run(bench.options(readOnly: true), store: StoreBench.path, to: "b")
    #expect(report.lsn == moment.lsn, "the idle seal witnesses the last batch")
    let (copy, _) = try Self.restored(bench, "b", "r")
    try Self.expect(copy, is: moment, "beside the writer")
    try store.close()
    let closed = try Backup.run(bench.options(readOnly: true), store: StoreBench.path, to: "c")
    #expect(closed.lsn == moment.lsn)
  }

  /// The store seals, compacts, loads and appends between any two files that are read.
  @Test func aBackupOfAStoreThatGoesOnIsOneMomentOfIt() throws {
    for seed in 0..<seedCount(12) {
      let bench = StoreBench(seed: UInt64(seed), sharing: .small(UInt64(seed)))
      let store = try bench.open()
      _ = try Self.history(bench, store)
      var moments: [LSN: Moment] = [:]
      moments[store.durableLSN] = try Moment(store, bench)
      var random = SimRandom(seed: UInt64(seed))
      var left = 14
      let disk = MeddlingDisk(bench.disk) {
        guard left > 0, random.below(4) == 0 else { return }
        left -= 1
        bench.clock.advance(nanos: 5_000_000)
        let second = StoreBench.start + Int64(random.below(300)) * 1_000_000_000
        let device = "n\(random.below(4))"
        switch random.below(5) {
        case 0: try store.seal()
        case 1: try store.compact()
        case 2:
          var load = try store.bulkWriter(1, creator: StoreBench.actor)
          try load.append(.power(device, at: second, probes: [7], count: 30, value: Int64(left)))
          _ = try load.commit()
        default:
          _ = try store.append(
            .power(device, at: second, probes: [1], value: Int64(left)), creator: StoreBench.actor)
        }
        _ = store.maintain()
        moments[store.durableLSN] = try Moment(store, bench)
      }
      var options = bench.options(readOnly: true)
      options.disk = disk
      let report = try Backup.run(
        options, store: StoreBench.path, to: "b",
        durable: seed % 2 == 0 ? nil : { store.durableLSN })
      let (copy, _) = try Self.restored(bench, "b", "r")
      guard let moment = moments[report.lsn] else {
        // Devices are made by an event in front of their first bulk append.
        #expect(report.lsn < store.durableLSN && copy.damages.isEmpty, "seed \(seed)")
        continue
      }
      try Self.expect(copy, is: moment, "seed \(seed)")
    }
  }

  /// R1: a backup killed anywhere is none, or a whole one.
  @Test(arguments: 0..<4) func aBackupKilledAtAnyOperationIsNoneOrWhole(part: Int) throws {
    let bench = StoreBench(seed: 9)
    let store = try bench.open()
    _ = try Self.history(bench, store)
    let moment = try Moment(store, bench)
    try store.close()
    func copy() -> StoreBench {
      StoreBench(seed: 9, disk: SimDisk(copyOf: bench.disk), clock: bench.clock)
    }
    let dry = copy()
    _ = try Backup.run(dry.options(readOnly: true), store: StoreBench.path, to: "b")
    let changes = dry.disk.changeCount
    #expect(changes > 40)
    var wholes = 0
    for change in stride(from: part, to: changes, by: 4) {
      let run = copy()
      let effects: [SimFault.Effect] = [.crashBefore, .crashAfter, .crashAmid(700), .error(ENOSPC)]
      run.disk.plan([SimFault(.change(change), effects[change / 4 % 4], isSticky: change % 3 == 0)])
      _ = try? Backup.run(run.options(readOnly: true), store: StoreBench.path, to: "b")
      if change % 2 == 0 { run.disk.restart() } else { run.disk.crash(seed: UInt64(change)) }
      run.disk.plan([])
      do throws(StorageError) {
        _ = try BackupList.read(run.disk, "b")
      } catch {
        #expect(error.code == .notFound, "change \(change): \(error)")
        continue
      }
      wholes += 1
      let (store, _) = try Self.restored(run, "b", "r")
      try Self.expect(store, is: moment, "change \(change)")
    }
    #expect(wholes < changes / 4)
  }

  /// R1: a restore killed anywhere is no store, or the whole one.
  @Test(arguments: 0..<4) func aRestoreKilledAtAnyOperationIsNoStoreOrWhole(part: Int) throws {
    let bench = StoreBench(seed: 10)
    let store = try bench.open()
    let moment = try Self.history(bench, store)[13]
    _ = try store.backup(to: "b")
    func copy() -> StoreBench {
      StoreBench(seed: 9, disk: SimDisk(copyOf: bench.disk), clock: bench.clock)
    }
    let dry = copy()
    dry.disk.restart()
    _ = try Restore.run(dry.options(), from: "b", to: "r", at: .lsn(moment.lsn))
    let changes = dry.disk.changeCount
    for change in stride(from: part, to: changes, by: 4) {
      let run = copy()
      run.disk.restart()
      let effects: [SimFault.Effect] = [.crashBefore, .crashAfter, .crashAmid(700), .error(ENOSPC)]
      run.disk.plan([SimFault(.change(change), effects[change / 4 % 4], isSticky: change % 3 == 0)])
      _ = try? Restore.run(run.options(), from: "b", to: "r", at: .lsn(moment.lsn))
      if change % 2 == 0 { run.disk.restart() } else { run.disk.crash(seed: UInt64(change)) }
      run.disk.plan([])
      var options = run.options()
      options.createIfMissing = false
      guard let opened = try? Store.open("r", options) else {
        // Nor does a server that makes its store take the rest for its own.
        if run.disk.exists("r/manifest") {
          #expect(throws: StorageError.self) { _ = try Store.open("r", run.options()) }
        }
        continue
      }
      try Self.expect(opened, is: moment, "change \(change)")
    }
  }

  /// Every file of a backup, damaged anywhere: nothing is restored from it.
  @Test func aDamagedBackupIsRefused() throws {
    let bench = StoreBench(seed: 11)
    let store = try bench.open()
    _ = try Self.history(bench, store)
    _ = try store.backup(to: "b")
    let files = bench.disk.allContents().filter { $0.key.hasPrefix("b/") }
    for (path, bytes) in files {
      for bit in stride(from: 5, to: bytes.count * 8, by: max(1, bytes.count * 8 / 5)) {
        let disk = SimDisk(copyOf: bench.disk)
        disk.flipBit(path, bit)
        let copy = StoreBench(seed: 9, disk: disk, clock: bench.clock)
        #expect(throws: StorageError.self, "\(path) bit \(bit)") {
          _ = try Restore.run(copy.options(), from: "b", to: "r")
        }
        #expect(!disk.exists("r/STORE"))
      }
    }
  }

  /// A file of the store that fails its check is not copied as if it were whole.
  @Test func damageOfTheStoreStopsItsBackup() throws {
    let bench = StoreBench(seed: 12)
    let store = try bench.open()
    _ = try Self.history(bench, store)
    try store.close()
    for path in bench.disk.allContents().keys where path.hasSuffix(".data") || path.hasSuffix(".journal") {
      let disk = SimDisk(copyOf: bench.disk)
      disk.flipBit(path, 700)
      let copy = StoreBench(seed: 9, disk: disk, clock: bench.clock)
      let error = #expect(throws: StorageError.self) {
        _ = try Backup.run(copy.options(readOnly: true), store: StoreBench.path, to: "b")
      }
      #expect(error?.code == .corrupt, "\(path)")
      #expect(!disk.exists("b/BACKUP"))
    }
  }

  private static func delete(_ store: Store, _ device: String) throws -> LSN {
    let spans = [SeriesSpans(device: device, probe: 1, times: [.min ... .max])]
    return try store.delete(
      1, spans, extent: store.snapshot().extent(of: 1, spans), actor: StoreBench.actor)
  }

  /// T-11, R16: what files no longer hold is refused by name; from the removal on all is there.
  @Test func restoringToBeforeAPhysicalRemovalIsAnErrorNeverAWrongAnswer() throws {
    let bench = StoreBench(seed: 13)
    let store = try bench.open()
    var moments: [Moment] = []
    for device in ["m1", "m2"] {
      _ = try store.append(
        .power(device, at: StoreBench.start, probes: [1]), creator: StoreBench.actor)
      moments.append(try Moment(store, bench))
    }
    try store.seal()
    let removed = try Self.delete(store, "m1")
    let deleted = try Moment(store, bench)
    _ = try store.backup(to: "before")
    try store.compact()
    #expect(store.snapshot().manifest.removed[1]?.newestLSN == removed)
    _ = try store.append(.power("m3", at: StoreBench.start, probes: [1]), creator: StoreBench.actor)
    let last = try Moment(store, bench)
    _ = try store.backup(to: "after")
    for moment in moments {
      let error = #expect(throws: StorageError.self) {
        _ = try Restore.run(
          bench.options(), from: "after", to: "x\(moment.lsn)", at: .lsn(moment.lsn))
      }
      #expect(error?.code == .invalid && !bench.disk.exists("x\(moment.lsn)/STORE"))
      let (old, _) = try Self.restored(bench, "before", "b\(moment.lsn)", at: .lsn(moment.lsn))
      try Self.expect(old, is: moment, "a backup of the time before has it")
    }
    for moment in [deleted, last] {
      let (copy, _) = try Self.restored(bench, "after", "r\(moment.lsn)", at: .lsn(moment.lsn))
      try Self.expect(copy, is: moment, "lsn \(moment.lsn)")
      let manifest = copy.snapshot().manifest
      #expect(manifest.removed[1]?.newestLSN == removed)
      #expect(manifest.data.allSatisfy { $0.appliedLSN <= moment.lsn })
      let error = #expect(throws: StorageError.self) {
        _ = try copy.snapshot().asKnown(at: moments[0].lsn).scan(1)
      }
      #expect(error?.code == .invalid)
      let proof = #expect(throws: StorageError.self) {
        _ = try copy.prove(table: 1, device: "m1", probe: 1, time: StoreBench.start)
      }
      #expect(proof?.code == .notFound)
    }
  }

  /// T-11, R16: a delete above the moment does not count, one below does; of versions the one wins
  /// that won then, whichever policy they came under.
  @Test func deletesAndPoliciesAboveTheMomentDoNotCount() throws {
    let bench = StoreBench(seed: 14)
    let store = try bench.open()
    var moments: [Moment] = []
    func step(_ work: () throws -> Void) throws {
      try work()
      moments.append(try Moment(store, bench))
    }
    func append(_ value: Int64) throws {
      _ = try store.append(
        .power("m1", at: StoreBench.start, probes: [1], value: value), creator: StoreBench.actor)
    }
    func policy(_ value: String) throws {
      _ = try store.decide(actor: StoreBench.actor) {
        $0.setTypeSetting("power", ConflictPolicy.settingKey, value, $1)
      }.result.get()
    }
    for isSealed in [true, false] {
      try step { try policy("first") }
      try step { try append(1) }
      try step { try append(2) }
      try step { try policy("last") }
      try step { try append(3) }
      try step { _ = try Self.delete(store, "m1") }
      try step { try policy("first") }
      try step { try append(4) }
      try step { try append(5) }
      try step { _ = try Self.delete(store, "m1") }
      try step { try policy("last") }
      if isSealed { try step { try store.seal() } }
    }
    _ = try store.backup(to: "b")
    for (index, moment) in moments.enumerated() {
      let (copy, _) = try Self.restored(bench, "b", "r\(index)", at: .lsn(moment.lsn))
      try Self.expect(copy, is: moment, "moment \(index), lsn \(moment.lsn)")
      try copy.close()
    }
  }

  /// A file that compaction replaces while it is being copied stays until it is.
  @Test func compactionBesideABackupTakesNoFileAway() throws {
    let bench = StoreBench(seed: 15)
    let store = try bench.open()
    for second in 0..<6 as Range<Int64> {
      _ = try store.append(
        .power("m1", at: StoreBench.start + second * 1_000_000_000, probes: [1]),
        creator: StoreBench.actor)
      try store.seal()
    }
    let before = store.snapshot().manifest.data.map(\.id)
    let moment = try Moment(store, bench)
    var isDone = false
    let disk = MeddlingDisk(bench.disk) {
      guard !isDone, bench.disk.exists("b/data/" + FileNames.dataSegment(before[0])) else { return }
      isDone = true
      try store.compact()
    }
    var options = bench.options(readOnly: true)
    options.disk = disk
    let report = try Backup.run(options, store: StoreBench.path, to: "b")
    #expect(isDone && store.snapshot().manifest.data.map(\.id) != before)
    #expect(report.lsn == moment.lsn)
    let copied = try BackupList.read(bench.disk, "b").list.files.map(\.name)
    #expect(
      before.allSatisfy { copied.contains("data/" + FileNames.dataSegment($0)) }, "in one pass")
    let (copy, _) = try Self.restored(bench, "b", "r")
    try Self.expect(copy, is: moment, "beside compaction")
    // The pin is gone with the backup, and with it what it kept.
    try store.compact()
    for id in before { #expect(!bench.disk.exists("s/data/" + FileNames.dataSegment(id))) }
  }

  @Test func aListThatWasChangedOrLeadsOutOfItsFolderIsRefused() throws {
    var list = BackupList(store: StoreID(high: 7, low: .max), takenAt: -5, lsn: 9)
    list.previous = .init(directory: "/a b/c", digest: Digest(SHA256.hash([1])))
    list.files = [.init(name: "data/000001.data", byteCount: 5, digest: .zero, isHere: false)]
    let text = list.text
    #expect(try BackupList(decoding: Array(text.utf8)) == list)
    for index in text.utf8.indices {
      var bytes = Array(text.utf8)
      bytes[text.utf8.distance(from: text.utf8.startIndex, to: index)] ^= 1
      #expect(throws: StorageError.self) { _ = try BackupList(decoding: bytes) }
    }
    for name in ["../x", "/etc/passwd", "data/../../x", "", "a//b", "."] {
      list.files[0].name = name
      #expect(throws: StorageError.self) { _ = try BackupList(decoding: Array(list.text.utf8)) }
    }
  }
}

/// A disk on which something else happens before files are opened for reading.
final class MeddlingDisk: Disk, @unchecked Sendable {
  private let disk: any Disk
  private let meddle: () throws -> Void
  private var isInside = false

  init(_ disk: any Disk, _ meddle: @escaping () throws -> Void) {
    self.disk = disk
    self.meddle = meddle
  }

  func open(_ path: String, _ mode: OpenMode) throws(StorageError) -> any DiskFile {
    if !isInside, path.hasPrefix(StoreBench.path + "/") {
      isInside = true
      do { try meddle() } catch { Issue.record("\(error)") }
      isInside = false
    }
    return try disk.open(path, mode)
  }

  func list(_ directory: String) throws(StorageError) -> [String] { try disk.list(directory) }
  func exists(_ path: String) -> Bool { disk.exists(path) }
  func createDirectory(_ path: String) throws(StorageError) { try disk.createDirectory(path) }
  func rename(_ from: String, to: String) throws(StorageError) { try disk.rename(from, to: to) }
  func remove(_ path: String) throws(StorageError) { try disk.remove(path) }
  func syncDirectory(_ directory: String) throws(StorageError) { try disk.syncDirectory(directory) }
  func lock(_ path: String) throws(StorageError) -> any DiskFile { try disk.lock(path) }
  func isUnlocked(_ path: String) throws(StorageError) -> Bool { try disk.isUnlocked(path) }
  func freeBytes(_ path: String) throws(StorageError) -> Int { try disk.freeBytes(path) }
}
