import Glibc
import Synchronization
import Testing

@testable import TSEngine

/// Many data segments: descriptors, memory, and files that somebody still reads.
@Suite struct SegmentLifeTests {
  private let bench = StoreBench()
  private let start = StoreBench.start

  private func options(readOnly: Bool = false) -> StoreOptions {
    var options = bench.options(readOnly: readOnly)
    // Nothing stays in memory by chance: whatever is read comes from the files.
    options.cacheByteLimit = 0
    options.indexByteLimit = 0
    options.openFileLimit = 16
    return options
  }

  private func open() throws -> Store { try Store.open(StoreBench.path, options()) }

  private func fill(_ store: Store, segments: Int, from first: Int = 0) throws {
    for round in first..<(first + segments) {
      _ = try store.append(
        .power("m\(round % 5)", at: start + Int64(round) * 1_000_000_000, value: Int64(round % 3)),
        creator: StoreBench.actor)
      try store.seal()
    }
  }

  private func dataFiles() throws -> [String] { try bench.disk.list("s/data") }

  @Test func twoHundredSegmentsAreServedThroughSixteenDescriptors() throws {
    var store = try open()
    try fill(store, segments: 200)
    for step in 0..<2 {
      #expect(store.snapshot().segments.count == 200)
      #expect(try StoreReading.rows(store.snapshot()).count == 200 * 60, "step \(step)")
      #expect(store.segments.open.count == 16, "step \(step)")
      try store.close()
      store = try open()
    }
    // Sealing goes on, and so does a stretch that was planned before its file was closed.
    let stretches = try store.snapshot().scan(1).stretches
    try fill(store, segments: 3, from: 200)
    let rows = try stretches.reduce(0) { try $0 + $1.rows().count }
    #expect(rows == 200 * 60)
    #expect(try StoreReading.rows(store.snapshot()).count == 203 * 60)
  }

  @Test func theDescriptorLimitOfTheProcessIsRaisedToTheHardOne() throws {
    _ = PosixDisk()
    var limit = rlimit()
    #expect(getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
    #expect(limit.rlim_cur == limit.rlim_max)
  }

  @Test func replacedFilesStayWhileASnapshotReadsThemAndGoAfterIt() throws {
    let store = try open()
    try fill(store, segments: 12)
    let before = try dataFiles()
    var held: Snapshot? = store.snapshot()
    let rows = try StoreReading.rows(try #require(held))
    try store.compact()
    #expect(store.snapshot().segments.count == 1)
    #expect(Set(try dataFiles()).isSuperset(of: before))
    for _ in 0..<2 { #expect(try StoreReading.rows(try #require(held)) == rows) }
    // A stretch alone holds its file, too.
    var stretch: Stretch? = try #require(held).scan(1).stretches[0]
    held = nil
    store.shared.dead.sweep(bench.disk, store: StoreBench.path)
    #expect(try dataFiles().count == 2, "\(store.shared.dead.count)")
    #expect(try stretch?.rows().count == 20)
    stretch = nil
    store.shared.dead.sweep(bench.disk, store: StoreBench.path)
    #expect(try dataFiles().count == 1)
    #expect(try StoreReading.rows(store.snapshot()) == rows)
  }

  @Test func aReaderOfAnotherProcessKeepsTheFilesOfItsStateAndNoOthers() throws {
    var store = try open()
    try fill(store, segments: 6)
    var reader: Store? = try Store.open(StoreBench.path, options(readOnly: true))
    let pinned = try dataFiles()
    let rows = try StoreReading.rows(try #require(reader).snapshot())
    #expect(rows.count == 6 * 60)
    for round in 1..<5 {
      try fill(store, segments: 2, from: round * 10)
      try store.compact()
      #expect(try StoreReading.rows(try #require(reader).snapshot()) == rows, "round \(round)")
      // What came and went behind the pin is not kept for it.
      #expect(try dataFiles().count == pinned.count + 1, "round \(round)")
    }
    // A new life of the writer finds the files unnamed, and the pin.
    try store.close()
    store = try open()
    #expect(Set(try dataFiles()).isSuperset(of: pinned))
    #expect(try StoreReading.rows(try #require(reader).snapshot()) == rows)
    #expect(try bench.disk.list("s/pins").count == 1)
    // What is planned holds the pin when the store is gone.
    var stretch: Stretch? = try #require(reader).snapshot().scan(1).stretches[0]
    reader = nil
    store.shared.dead.sweep(bench.disk, store: StoreBench.path)
    #expect(Set(try dataFiles()).isSuperset(of: pinned))
    #expect(try stretch?.rows().count == 20)
    stretch = nil
    store.shared.dead.sweep(bench.disk, store: StoreBench.path)
    #expect(try dataFiles().count == 1)
    #expect(try bench.disk.list("s/pins").isEmpty)
  }

  @Test func thePinOfADeadReaderHoldsNothing() throws {
    var store = try open()
    try fill(store, segments: 4)
    let reader = try Store.open(StoreBench.path, options(readOnly: true))
    #expect(try bench.disk.list("s/pins").count == 1)
    // All processes die; the file of the pin stays behind, its lock does not.
    bench.disk.restart()
    store = try open()
    try store.compact()
    #expect(try dataFiles().count == 1)
    #expect(try bench.disk.list("s/pins").isEmpty)
    withExtendedLifetime(reader) {}
  }

  @Test func openingForReadingNeitherNeedsNorTakesTheLockOfTheWriter() throws {
    let store = try open()
    try fill(store, segments: 1)
    let reader = try Store.open(StoreBench.path, options(readOnly: true))
    try store.close()
    // A writer starts while a reader is open, and while one is being opened.
    let again = try open()
    #expect(try bench.disk.isUnlocked("s/LOCK") == false)
    #expect(try StoreReading.rows(reader.snapshot()).count == 60)
    try again.close()
    #expect(try bench.disk.isUnlocked("s/LOCK"))
  }

  @Test func segmentsAreReadFromTheDeviceBeforeTheyAreNamed() throws {
    let spy = SpyDisk(bench.disk)
    var options = options()
    options.disk = spy
    let store = try Store.open(StoreBench.path, options)
    _ = try store.append(.power("m1", at: start), creator: StoreBench.actor)
    spy.calls.withLock { $0 = [] }
    try store.seal()
    for suffix in [".data", ".journal"] {
      let calls = spy.calls.withLock { $0 }.filter { $0.path.contains(suffix) }.map(\.name)
      let sync = try #require(calls.firstIndex(of: "sync"))
      let discard = try #require(calls.firstIndex(of: "discard"))
      let read = try #require(calls.firstIndex(of: "read"))
      let rename = try #require(calls.firstIndex(of: "rename"))
      #expect(sync < discard && discard < read && read < rename, "\(suffix): \(calls)")
    }
    let all = spy.calls.withLock { $0 }
    let named = try #require(all.lastIndex { $0.name == "rename" && $0.path.contains("s/data") })
    let removed = try #require(all.firstIndex { $0.name == "remove" && $0.path.contains("s/log") })
    #expect(named < removed)
  }

  @Test func aSealingOnAFullDiskLeavesNoFileAndSucceedsLater() throws {
    for extra in stride(from: 0, to: 9_000, by: 700) {
      let bench = StoreBench(seed: UInt64(extra))
      let store = try bench.open()
      var sent = 0
      func append(_ round: Int64) throws {
        let message = ReceivedMessage(device: "m1", interface: "i", topic: "t")
        _ = try store.append(
          .power("m1", at: start + round * 1_000_000_000), creator: StoreBench.actor,
          messages: [message])
        sent += 1
      }
      for round in 0..<3 as Range<Int64> { try append(round) }
      bench.disk.capacity = bench.disk.usedByteCount + extra
      let before = Set(bench.disk.allContents().keys)
      for attempt in 0..<2 {
        do throws(StorageError) {
          try store.seal()
          #expect(extra > 7_000, "the next log segment and a data segment take more than \(extra)")
          break
        } catch {
          #expect(error.code == .diskFull, "extra \(extra)")
        }
        let left = Set(bench.disk.allContents().keys).subtracting(before)
        #expect(
          left.allSatisfy { $0.hasPrefix("s/log/") }, "extra \(extra) attempt \(attempt): \(left)")
        bench.disk.capacity = bench.disk.usedByteCount + extra / 2 + 1
      }
      bench.disk.capacity = nil
      try append(3)
      try store.seal()
      try append(4)
      func check(_ store: Store, _ note: String) throws {
        #expect(try StoreReading.rows(store.snapshot()).count == sent * 60, "\(note)")
        var messages = 0
        let failure = store.snapshot().records { record in
          if case .messageReceived = record.kind { messages += 1 }
          return true
        }
        #expect(failure == nil && messages == sent, "\(note): \(messages) of \(sent)")
      }
      try check(store, "extra \(extra)")
      try store.seal()
      try check(store, "extra \(extra) sealed")
      try store.close()
      try check(bench.open(), "extra \(extra) reopened")
    }
  }
}

/// A disk that writes down what it is asked.
private final class SpyDisk: Disk {
  let calls = Mutex([(name: String, path: String)]())
  private let disk: SimDisk

  init(_ disk: SimDisk) { self.disk = disk }

  private func note(_ name: String, _ path: String) { calls.withLock { $0.append((name, path)) } }

  func open(_ path: String, _ mode: OpenMode) throws(StorageError) -> any DiskFile {
    SpyFile(try disk.open(path, mode), self)
  }
  func list(_ directory: String) throws(StorageError) -> [String] { try disk.list(directory) }
  func exists(_ path: String) -> Bool { disk.exists(path) }
  func createDirectory(_ path: String) throws(StorageError) { try disk.createDirectory(path) }
  func rename(_ from: String, to: String) throws(StorageError) {
    note("rename", from)
    try disk.rename(from, to: to)
  }
  func remove(_ path: String) throws(StorageError) {
    note("remove", path)
    try disk.remove(path)
  }
  func syncDirectory(_ directory: String) throws(StorageError) { try disk.syncDirectory(directory) }
  func lock(_ path: String) throws(StorageError) -> any DiskFile { try disk.lock(path) }
  func isUnlocked(_ path: String) throws(StorageError) -> Bool { try disk.isUnlocked(path) }
  func freeBytes(_ path: String) throws(StorageError) -> Int { try disk.freeBytes(path) }

  private final class SpyFile: DiskFile {
    private let file: any DiskFile
    private let spy: SpyDisk
    init(_ file: any DiskFile, _ spy: SpyDisk) {
      self.file = file
      self.spy = spy
    }
    var path: String { file.path }
    func write(_ bytes: RawSpan, at offset: Int) throws(StorageError) {
      try file.write(bytes, at: offset)
    }
    func read(into buffer: inout MutableRawSpan, at offset: Int) throws(StorageError) -> Int {
      spy.note("read", path)
      return try file.read(into: &buffer, at: offset)
    }
    func sync() throws(StorageError) {
      spy.note("sync", path)
      try file.sync()
    }
    func truncate(to byteCount: Int) throws(StorageError) { try file.truncate(to: byteCount) }
    func byteCount() throws(StorageError) -> Int { try file.byteCount() }
    func discardCached() throws(StorageError) {
      spy.note("discard", path)
      try file.discardCached()
    }
    func close() { file.close() }
  }
}
