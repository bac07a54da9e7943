import Synchronization
import TSEngine

/// One operation that changes a disk, as it is about to happen.
struct DiskOperation {
  var kind: SimFault.Operation
  var path: String
  /// Of a write.
  var offset = 0
  var bytes: [UInt8] = []
}

/// Ways in which a disk, or the layer right above it, is known to lie (R14): planted below the
/// engine, process-wide.
enum Lie: Int, CaseIterable, Sendable {
  case logSyncSkipped = 1, manifestSyncSkipped, dataSyncSkipped, journalSyncSkipped
  case directorySyncSkipped
  /// A failed sync is tried again, on a fresh descriptor, and succeeds.
  case syncRetried
  /// A write that came to a part of its bytes counts as whole.
  case shortWriteHidden
  /// A read error gives zeros.
  case readErrorAsZeros
  /// Files are written in place instead of being renamed when whole.
  case renameBeforeSync

  private static let chosen = Atomic<Int>(0)
  static func choose(_ lie: Lie?) { chosen.store(lie?.rawValue ?? 0, ordering: .sequentiallyConsistent) }
  var isTold: Bool { Self.chosen.load(ordering: .relaxed) == rawValue }

  /// Whether a sync of `path` is left out.
  static func skipsSync(of path: String) -> Bool {
    switch Lie(rawValue: chosen.load(ordering: .relaxed)) {
    case .logSyncSkipped: path.hasPrefix("s/log/")
    case .manifestSyncSkipped: path.hasPrefix("s/manifest/")
    case .dataSyncSkipped: path.hasPrefix("s/data/")
    case .journalSyncSkipped: path.hasPrefix("s/journal/")
    case .renameBeforeSync: path.hasSuffix(".tmp")
    default: false
    }
  }
}

/// A simulated disk that shows each changing operation to whoever watches, before and after it is
/// carried out. One thread at a time.
///
/// - Safety of `@unchecked Sendable`: a campaign uses each disk from one thread only.
final class WatchedDisk: Disk, @unchecked Sendable {
  let base: SimDisk
  var before: ((DiskOperation) -> Void)?
  var after: ((DiskOperation) -> Void)?

  init(_ base: SimDisk) { self.base = base }

  func open(_ path: String, _ mode: OpenMode) throws(StorageError) -> any DiskFile {
    guard mode == .create else { return WatchedFile(self, try base.open(path, mode)) }
    return WatchedFile(self, try watched(DiskOperation(kind: .create, path: path)) { () throws(StorageError) in
      try base.open(path, mode)
    })
  }
  func list(_ directory: String) throws(StorageError) -> [String] { try base.list(directory) }
  func exists(_ path: String) -> Bool { base.exists(path) }
  func createDirectory(_ path: String) throws(StorageError) {
    if base.exists(path) { return }
    try watched(DiskOperation(kind: .createDirectory, path: path)) { () throws(StorageError) in
      try base.createDirectory(path)
    }
  }
  func rename(_ from: String, to: String) throws(StorageError) {
    try watched(DiskOperation(kind: .rename, path: to)) { () throws(StorageError) in
      try base.rename(from, to: to)
    }
  }
  func remove(_ path: String) throws(StorageError) {
    try watched(DiskOperation(kind: .remove, path: path)) { () throws(StorageError) in
      try base.remove(path)
    }
  }
  func syncDirectory(_ directory: String) throws(StorageError) {
    if Lie.directorySyncSkipped.isTold { return }
    try watched(DiskOperation(kind: .syncDirectory, path: directory)) { () throws(StorageError) in
      try base.syncDirectory(directory)
    }
  }
  func lock(_ path: String) throws(StorageError) -> any DiskFile { try base.lock(path) }
  func isUnlocked(_ path: String) throws(StorageError) -> Bool { try base.isUnlocked(path) }
  func freeBytes(_ path: String) throws(StorageError) -> Int { try base.freeBytes(path) }

  fileprivate func watched<Value>(
    _ operation: DiskOperation, _ body: () throws(StorageError) -> Value
  ) throws(StorageError) -> Value {
    before?(operation)
    let value = try body()
    after?(operation)
    return value
  }
}

private final class WatchedFile: DiskFile, @unchecked Sendable {
  private let disk: WatchedDisk
  private let file: any DiskFile
  var path: String { file.path }

  init(_ disk: WatchedDisk, _ file: any DiskFile) {
    self.disk = disk
    self.file = file
  }

  func write(_ bytes: RawSpan, at offset: Int) throws(StorageError) {
    let copy = disk.before == nil && disk.after == nil ? [] : [UInt8](bytes)
    let operation = DiskOperation(kind: .write, path: path, offset: offset, bytes: copy)
    do throws(StorageError) {
      disk.before?(operation)
      try file.write(bytes, at: offset)
      disk.after?(operation)
    } catch {
      if Lie.shortWriteHidden.isTold, !disk.base.isOff { return }
      throw error
    }
  }
  func read(into buffer: inout MutableRawSpan, at offset: Int) throws(StorageError) -> Int {
    do throws(StorageError) {
      return try file.read(into: &buffer, at: offset)
    } catch {
      guard Lie.readErrorAsZeros.isTold, !disk.base.isOff else { throw error }
      return buffer.byteCount
    }
  }
  func sync() throws(StorageError) {
    if Lie.skipsSync(of: path) { return }
    do throws(StorageError) {
      try disk.watched(DiskOperation(kind: .sync, path: path)) { () throws(StorageError) in
        try file.sync()
      }
    } catch {
      guard Lie.syncRetried.isTold, !disk.base.isOff else { throw error }
      try disk.base.open(path, .readWrite).sync()
    }
  }
  func truncate(to byteCount: Int) throws(StorageError) {
    try disk.watched(DiskOperation(kind: .truncate, path: path)) { () throws(StorageError) in
      try file.truncate(to: byteCount)
    }
  }
  func byteCount() throws(StorageError) -> Int { try file.byteCount() }
  func discardCached() throws(StorageError) { try file.discardCached() }
  func close() { file.close() }
}
