import Glibc
import Synchronization
import Testing

@testable import TSEngine

@Suite struct PosixDiskTests {
  private static func withFolder(_ body: (PosixDisk, String) throws -> Void) throws {
    var random = SystemRandomNumberGenerator()
    let folder = "/tmp/tsq-test-\(getpid())-\(random.next())"
    let disk = PosixDisk()
    try disk.createDirectory(folder)
    defer { remove(folder, disk) }
    try body(disk, folder)
  }

  private static func remove(_ path: String, _ disk: PosixDisk) {
    for name in (try? disk.list(path)) ?? [] {
      if (try? disk.remove(path + "/" + name)) == nil { remove(path + "/" + name, disk) }
    }
    rmdir(path)
  }

  @Test func filesHoldWhatWasWrittenAndAreTheOwnersAlone() throws {
    try Self.withFolder { disk, folder in
      let file = try disk.open(folder + "/a", .create)
      try file.write([1, 2, 3].rawSpan, at: 4)
      try file.sync()
      #expect(try file.byteCount() == 7)
      var bytes = [UInt8](repeating: 9, count: 10)
      #expect(try bytes.read(0..<10, from: file, at: 0) == 7)
      #expect(bytes == [0, 0, 0, 0, 1, 2, 3, 9, 9, 9])
      try file.truncate(to: 5)
      try file.discardCached()
      #expect(try bytes.read(0..<10, from: file, at: 3) == 2)
      var status = stat()
      #expect(stat(folder + "/a", &status) == 0 && status.st_mode & 0o777 == 0o600)
      #expect(stat(folder, &status) == 0 && status.st_mode & 0o777 == 0o700)
      file.close()
      file.close()
      #expect(throws: StorageError.self) { try file.sync() }
    }
  }

  @Test func errorsCarryTheirCodes() throws {
    try Self.withFolder { disk, folder in
      let path = folder + "/a"
      func code(_ body: () throws -> Void) -> StorageError.Code? {
        do { try body() } catch { return (error as? StorageError)?.code }
        return nil
      }
      #expect(code { _ = try disk.open(path, .read) } == .notFound)
      _ = try disk.open(path, .create)
      #expect(code { _ = try disk.open(path, .create) } == .io)
      symlink(path, folder + "/link")
      #expect(code { _ = try disk.open(folder + "/link", .readWrite) } == .io, "no links")
      let lock = try disk.lock(folder + "/LOCK")
      #expect(code { _ = try disk.lock(folder + "/LOCK") } == .busy)
      lock.close()
      try disk.lock(folder + "/LOCK").close()
      let full = try disk.open("/dev/full", .readWrite)
      #expect(code { try full.write([1].rawSpan, at: 0) } == .diskFull)
      #expect(try disk.freeBytes(folder) > 0)
    }
  }

  @Test func aFailedSyncIsFinalForTheFile() throws {
    // Nothing that fails fdatasync is at hand but a file that cannot sync at all.
    var ends: [Int32] = [0, 0]
    #expect(pipe(&ends) == 0)
    defer { close(ends[1]) }
    let file = PosixFile(ends[0], path: "pipe")
    let first = #expect(throws: StorageError.self) { try file.sync() }
    #expect(first?.code == .io && first?.errno == EINVAL)
    for _ in 0..<2 {
      let later = #expect(throws: StorageError.self) { try file.sync() }
      #expect(later?.code == .failStopped)
    }
    let write = #expect(throws: StorageError.self) { try file.write([1].rawSpan, at: 0) }
    #expect(write?.code == .failStopped)
  }

  @Test func directoriesListRenameAndNest() throws {
    try Self.withFolder { disk, folder in
      try disk.createDirectory(folder + "/x/y/z")
      try disk.createDirectory(folder + "/x/y/z")
      _ = try disk.open(folder + "/b", .create)
      _ = try disk.open(folder + "/a", .create)
      try disk.rename(folder + "/b", to: folder + "/c")
      try disk.syncDirectory(folder)
      #expect(try disk.list(folder) == ["a", "c", "x"])
      #expect(disk.exists(folder + "/x/y/z") && !disk.exists(folder + "/b"))
    }
  }

  @Test func theLogComesBackFromARealDisk() throws {
    try Self.withFolder { disk, folder in
      ProcessSignals.ignoreWriteSignals()
      let id = StoreID.random(SystemRNG())
      var lsn: LSN = 1
      for life in 0..<3 {
        var found: [LSN] = []
        let outcome = try LogRepair(disk, store: folder, storeID: id).run {
          (info, _) throws(StorageError) in
          if let lsns = info.header.lsns { found.append(contentsOf: lsns) }
        }
        #expect(found == Array(1..<lsn))
        #expect(outcome.scan.damaged.isEmpty && outcome.tornCopy == nil)
        let writer = try LogWriter(
          disk, clock: SystemClock(), store: folder, storeID: id, after: outcome.scan)
        for _ in 0..<20 {
          #expect(try writer.commit([UInt8](repeating: 7, count: 300)) == lsn)
          lsn += 1
        }
        try writer.rotate()
        if life == 1 { try writer.close() }
      }
    }
  }

  @Test func aScheduledStepRunsUntilDoneAndWakesEarly() throws {
    let count = Mutex(0)
    let slow = try ThreadScheduler().run("slow") {
      let seen = count.withLock { value in
        value += 1
        return value
      }
      return seen >= 3 ? .done : seen == 1 ? .again : .idle(nanos: 3_600_000_000_000)
    }
    slow.wake()
    while count.withLock({ $0 }) < 2 { sched_yield() }
    slow.wake()
    slow.join()
    slow.join()
    #expect(count.withLock { $0 } == 3)
  }

  @Test func randomBytesDiffer() {
    #expect(StoreID.random(SystemRNG()) != StoreID.random(SystemRNG()))
    #expect(StoreID.random(SimRNG(seed: 1)) == StoreID.random(SimRNG(seed: 1)))
  }
}
