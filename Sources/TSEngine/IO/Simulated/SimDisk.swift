import Glibc
import Synchronization

/// A disk in memory that keeps apart what was written and what is durable, loses the difference on
/// command, and fails where it is told. The same seed and the same calls give the same disk.
///
/// Durable are a file's bytes after `sync`, and a directory's entries after `syncDirectory`. At a
/// power-off each unsynced 512-byte sector survives or not on its own, and so does each unsynced
/// creation, rename and removal, in any combination.
package final class SimDisk: Disk {
  private let state: Mutex<SimDiskState>

  package init(seed: UInt64 = 0, capacity: Int? = nil) {
    state = Mutex(SimDiskState(seed: seed, capacity: capacity))
  }

  /// A disk of its own with the same bytes, durable and not; faults and counts start afresh.
  package init(copyOf other: SimDisk, seed: UInt64 = 0) {
    var copy = other.state.withLock { $0 }
    copy.beginAgain(seed: seed)
    state = Mutex(copy)
  }

  func run<Result: Sendable>(
    _ body: (inout SimDiskState) throws(StorageError) -> Result
  ) throws(StorageError) -> Result {
    try state.withLock { (state) throws(StorageError) in try body(&state) }
  }

  // MARK: Disk

  package func open(_ path: String, _ mode: OpenMode) throws(StorageError) -> any DiskFile {
    let (node, life) = try run { (state) throws(StorageError) in
      (try state.open(path, mode), state.life)
    }
    return SimFile(self, path: path, node: node, life: life, isLock: false)
  }

  package func list(_ directory: String) throws(StorageError) -> [String] {
    try run { (state) throws(StorageError) in try state.list(directory) }
  }

  package func exists(_ path: String) -> Bool {
    state.withLock { !$0.isOff && ($0.entries[path] != nil || $0.directories.contains(path)) }
  }

  package func createDirectory(_ path: String) throws(StorageError) {
    try run { (state) throws(StorageError) in try state.createDirectory(path) }
  }

  package func rename(_ from: String, to: String) throws(StorageError) {
    try run { (state) throws(StorageError) in try state.rename(from, to: to) }
  }

  package func remove(_ path: String) throws(StorageError) {
    try run { (state) throws(StorageError) in try state.remove(path) }
  }

  package func syncDirectory(_ directory: String) throws(StorageError) {
    try run { (state) throws(StorageError) in try state.syncDirectory(directory) }
  }

  package func lock(_ path: String) throws(StorageError) -> any DiskFile {
    let (node, life) = try run { (state) throws(StorageError) in
      (try state.lock(path), state.life)
    }
    return SimFile(self, path: path, node: node, life: life, isLock: true)
  }

  package func isUnlocked(_ path: String) throws(StorageError) -> Bool {
    try run { (state) throws(StorageError) in
      try state.requirePower()
      return state.entries[path].map { !state.locks.contains($0) } ?? true
    }
  }

  package func freeBytes(_ path: String) throws(StorageError) -> Int {
    try run { (state) throws(StorageError) in
      try state.requirePower()
      return state.capacity.map { max(0, $0 - state.usedByteCount) } ?? .max
    }
  }

  // MARK: What goes wrong

  /// Replaces the fault plan.
  package func plan(_ faults: [SimFault]) { state.withLock { $0.faults = faults } }

  /// Changing operations so far, those that failed included.
  package var changeCount: Int { state.withLock { $0.changeCount } }

  /// How often `operation` was called.
  package func count(of operation: SimFault.Operation) -> Int {
    state.withLock { $0.ordinals[operation] ?? 0 }
  }

  /// True after a planned crash, until `restart` or `crash`.
  package var isOff: Bool { state.withLock { $0.isOff } }

  /// Bytes the volume holds at most; nil is unlimited.
  package var capacity: Int? {
    get { state.withLock { $0.capacity } }
    set { state.withLock { $0.capacity = newValue } }
  }

  package var usedByteCount: Int { state.withLock { $0.usedByteCount } }

  /// The machine loses power and comes back: the disk as found then. Open files are dead, the
  /// fault plan is empty.
  package func crash(seed: UInt64) {
    var dice = SimDice(seed: seed)
    crash(&dice)
  }

  /// As above, with `dice` deciding what survives.
  package func crash(_ dice: inout SimDice) {
    var thrown = dice
    state.withLock { $0.losePower(&thrown) }
    dice = thrown
  }

  /// The process dies and a new one starts; the operating system goes on and loses nothing.
  package func restart() { state.withLock { $0.restart() } }

  // MARK: Inspection and damage

  package func contents(_ path: String) -> [UInt8]? {
    state.withLock { state in state.entries[path].flatMap { state.nodes[$0]?.cached } }
  }

  /// Every file's bytes as reads see them.
  package func allContents() -> [String: [UInt8]] {
    state.withLock { state in state.entries.compactMapValues { state.nodes[$0]?.cached } }
  }

  /// Changes a file's bytes, cached and durable, as a fault of the medium would. Precondition:
  /// the file exists.
  package func damage(_ path: String, _ body: (inout [UInt8]) -> Void) {
    state.withLock { state in
      guard let node = state.entries[path] else { preconditionFailure("no file \(path)") }
      state.nodes[node]?.damage(body)
    }
  }

  package func flipBit(_ path: String, _ bit: Int) {
    damage(path) { $0[bit / 8] ^= 1 << UInt8(bit % 8) }
  }
}

/// An open file of a `SimDisk`. It dies with the process that opened it.
final class SimFile: DiskFile {
  let path: String
  private let disk: SimDisk
  private let node: Int
  private let life: Int
  private let isLock: Bool
  private let phase = Mutex<(isClosed: Bool, isFailStopped: Bool)>((false, false))

  init(_ disk: SimDisk, path: String, node: Int, life: Int, isLock: Bool) {
    self.disk = disk
    self.path = path
    self.node = node
    self.life = life
    self.isLock = isLock
  }

  deinit { close() }

  func write(_ bytes: RawSpan, at offset: Int) throws(StorageError) {
    let copy = unsafe bytes.withUnsafeBytes { raw in
      // SAFETY: `raw` is valid during the closure; exactly its bytes are copied.
      unsafe [UInt8](unsafeUninitializedCapacity: raw.count) { buffer, count in
        unsafe UnsafeMutableRawBufferPointer(buffer).copyMemory(from: raw)
        count = raw.count
      }
    }
    try withNode(writing: true) { (state) throws(StorageError) in
      try state.write(copy, to: node, at: offset, path: path)
    }
  }

  func read(into buffer: inout MutableRawSpan, at offset: Int) throws(StorageError) -> Int {
    let wanted = buffer.byteCount
    let found = try withNode(writing: false) { (state) throws(StorageError) in
      try state.read(node, at: offset, count: wanted, path: path)
    }
    unsafe buffer.withUnsafeMutableBytes { raw in
      // SAFETY: `found` holds at most `wanted` bytes, the size of `raw`.
      unsafe found.withUnsafeBytes { unsafe raw.copyMemory(from: $0) }
    }
    return found.count
  }

  func sync() throws(StorageError) {
    do throws(StorageError) {
      try withNode(writing: true) { (state) throws(StorageError) in
        try state.sync(node, path: path)
      }
    } catch {
      phase.withLock { $0.isFailStopped = true }
      throw error
    }
  }

  func truncate(to byteCount: Int) throws(StorageError) {
    try withNode(writing: true) { (state) throws(StorageError) in
      try state.truncate(node, to: byteCount, path: path)
    }
  }

  func byteCount() throws(StorageError) -> Int {
    try withNode(writing: false) { (state) throws(StorageError) in
      state.nodes[node]?.cached.count ?? 0
    }
  }

  func discardCached() throws(StorageError) {
    try withNode(writing: false) { (state) throws(StorageError) in
      state.nodes[node]?.discardCached()
    }
  }

  func close() {
    let wasOpen = phase.withLock { phase in
      defer { phase.isClosed = true }
      return !phase.isClosed
    }
    guard wasOpen, isLock else { return }
    try? disk.run { (state) throws(StorageError) in
      if state.life == life { state.locks.remove(node) }
    }
  }

  private func withNode<Result: Sendable>(
    writing: Bool, _ body: (inout SimDiskState) throws(StorageError) -> Result
  ) throws(StorageError) -> Result {
    let phase = phase.withLock { $0 }
    if phase.isClosed { throw StorageError(.closed, "file closed", file: path) }
    if writing && phase.isFailStopped {
      throw StorageError(.failStopped, "an earlier sync of this file failed", file: path)
    }
    return try disk.run { (state) throws(StorageError) in
      try state.requirePower()
      guard state.life == life else {
        throw StorageError(.closed, "the process that opened this file is gone", file: path)
      }
      return try body(&state)
    }
  }
}
