import Glibc

/// What a `SimDisk` guards with its lock: nodes, names, counts and the fault plan.
struct SimDiskState: Sendable {
  private enum NameChange: Sendable {
    case link(String, Int)
    case rename(String, String, Int)
    case unlink(String)
    case makeDirectory(String)

    /// The directory whose sync makes this durable.
    var directory: String {
      switch self {
      case .link(let path, _), .rename(_, let path, _), .unlink(let path), .makeDirectory(let path):
        SimDiskState.parent(path)
      }
    }
  }

  var nodes: [Int: SimNode] = [:]
  var entries: [String: Int] = [:]
  var directories: Set<String> = ["", "/", "."]
  private var durableEntries: [String: Int] = [:]
  private var durableDirectories: Set<String> = ["", "/", "."]
  private var pending: [NameChange] = []
  private var nextNode = 1

  /// Locked nodes: a lock goes with its file when that is renamed.
  var locks: Set<Int> = []
  /// Counts restarts; files opened in an earlier life are dead.
  var life = 0
  var isOff = false
  var capacity: Int?
  var faults: [SimFault] = []
  private(set) var changeCount = 0
  private(set) var ordinals: [SimFault.Operation: Int] = [:]
  private var random: SimRandom

  init(seed: UInt64, capacity: Int?) {
    random = SimRandom(seed: seed)
    self.capacity = capacity
  }

  var usedByteCount: Int {
    Set(entries.values).reduce(0) { $0 + (nodes[$1]?.cached.count ?? 0) }
  }

  func requirePower() throws(StorageError) {
    if isOff { throw StorageError(.io, "power is off", errno: EIO) }
  }

  mutating func restart() {
    life += 1
    locks = []
    faults = []
    isOff = false
  }

  mutating func beginAgain(seed: UInt64) {
    restart()
    random = SimRandom(seed: seed)
    changeCount = 0
    ordinals = [:]
  }

  // MARK: Faults

  /// Counts the operation and carries out what is planned for it. Returns whether the machine is
  /// to stop once the work is done, and how much of a write is to be done.
  private mutating func begin(
    _ operation: SimFault.Operation, _ path: String
  ) throws(StorageError) -> SimFault.Effect? {
    try requirePower()
    let ordinal = ordinals[operation] ?? 0
    let change = changeCount
    ordinals[operation] = ordinal + 1
    if operation != .read { changeCount += 1 }
    let fault = faults.first { $0.hits(operation, change: change, ordinal: ordinal) }
    guard let fault else { return nil }
    switch fault.effect {
    case .error(let number):
      if operation != .sync { throw Self.failure(operation, path, number) }
    case .partialWrite(_, let number):
      if operation != .write { throw Self.failure(operation, path, number) }
    case .crashBefore:
      throw powerOff()
    case .crashAmid:
      if operation != .write { throw powerOff() }
    case .crashAfter:
      break
    }
    return fault.effect
  }

  private mutating func finish(_ effect: SimFault.Effect?) throws(StorageError) {
    if effect == .crashAfter { throw powerOff() }
  }

  private mutating func powerOff() -> StorageError {
    isOff = true
    return StorageError(.io, "power is off", errno: EIO)
  }

  private static func failure(
    _ operation: SimFault.Operation, _ path: String, _ number: Int32
  ) -> StorageError {
    let isFull = number == ENOSPC || number == EDQUOT
    return StorageError(isFull ? .diskFull : .io, "\(operation) failed", file: path, errno: number)
  }

  // MARK: Files

  mutating func open(_ path: String, _ mode: OpenMode) throws(StorageError) -> Int {
    try requirePower()
    guard mode == .create else {
      guard let node = entries[path] else { throw Self.notFound(path) }
      return node
    }
    guard directories.contains(Self.parent(path)) else { throw Self.notFound(path) }
    let effect = try begin(.create, path)
    if entries[path] != nil {
      throw StorageError(.io, "the file exists", file: path, errno: EEXIST)
    }
    let node = link(path)
    try finish(effect)
    return node
  }

  mutating func lock(_ path: String) throws(StorageError) -> Int {
    try requirePower()
    guard directories.contains(Self.parent(path)) else { throw Self.notFound(path) }
    let node = entries[path] ?? link(path)
    guard locks.insert(node).inserted else {
      throw StorageError(.busy, "another process has the lock", file: path, errno: EWOULDBLOCK)
    }
    return node
  }

  private mutating func link(_ path: String) -> Int {
    let node = nextNode
    nextNode += 1
    nodes[node] = SimNode()
    entries[path] = node
    pending.append(.link(path, node))
    return node
  }

  mutating func write(
    _ bytes: [UInt8], to node: Int, at offset: Int, path: String
  ) throws(StorageError) {
    let effect = try begin(.write, path)
    var keep = bytes.count
    switch effect {
    case .partialWrite(let count, _), .crashAmid(let count): keep = min(keep, max(0, count))
    default: break
    }
    let room = growthRoom(node, end: offset + keep)
    if room < offset + keep { keep = max(0, room - offset) }
    nodes[node]?.write(bytes[..<keep], at: offset)
    switch effect {
    case .partialWrite(_, let number): throw Self.failure(.write, path, number)
    case .crashAmid: throw powerOff()
    default: break
    }
    if keep < bytes.count { throw Self.failure(.write, path, ENOSPC) }
    try finish(effect)
  }

  /// How far the node may reach within the capacity of the volume.
  private func growthRoom(_ node: Int, end: Int) -> Int {
    guard let capacity, let size = nodes[node]?.cached.count, end > size else { return end }
    return min(end, size + max(0, capacity - usedByteCount))
  }

  mutating func read(
    _ node: Int, at offset: Int, count: Int, path: String
  ) throws(StorageError) -> ArraySlice<UInt8> {
    if let effect = try begin(.read, path), case .error(let number) = effect {
      throw Self.failure(.read, path, number)
    }
    guard let bytes = nodes[node]?.cached, offset < bytes.count else { return [] }
    return bytes[offset..<min(bytes.count, offset + count)]
  }

  mutating func sync(_ node: Int, path: String) throws(StorageError) {
    let effect = try begin(.sync, path)
    if case .error(let number) = effect {
      nodes[node]?.failSync(&random)
      throw StorageError(.io, "sync failed", file: path, errno: number)
    }
    nodes[node]?.sync()
    try finish(effect)
  }

  mutating func truncate(_ node: Int, to byteCount: Int, path: String) throws(StorageError) {
    let effect = try begin(.truncate, path)
    nodes[node]?.truncate(to: byteCount)
    try finish(effect)
  }

  // MARK: Names

  func list(_ directory: String) throws(StorageError) -> [String] {
    try requirePower()
    guard directories.contains(directory) else { throw Self.notFound(directory) }
    let paths = Array(entries.keys) + directories.filter { !["", "/", ".", directory].contains($0) }
    return paths.filter { Self.parent($0) == directory }.map(Self.lastComponent).sorted()
  }

  mutating func createDirectory(_ path: String) throws(StorageError) {
    try requirePower()
    if directories.contains(path) { return }
    try createDirectory(Self.parent(path))
    let effect = try begin(.createDirectory, path)
    directories.insert(path)
    pending.append(.makeDirectory(path))
    try finish(effect)
  }

  mutating func rename(_ from: String, to: String) throws(StorageError) {
    let effect = try begin(.rename, from)
    guard let node = entries.removeValue(forKey: from) else { throw Self.notFound(from) }
    entries[to] = node
    pending.append(.rename(from, to, node))
    try finish(effect)
  }

  mutating func remove(_ path: String) throws(StorageError) {
    let effect = try begin(.remove, path)
    guard entries.removeValue(forKey: path) != nil else { throw Self.notFound(path) }
    pending.append(.unlink(path))
    try finish(effect)
  }

  mutating func syncDirectory(_ directory: String) throws(StorageError) {
    let effect = try begin(.syncDirectory, directory)
    guard directories.contains(directory) else { throw Self.notFound(directory) }
    let all = pending
    pending = []
    for change in all {
      if change.directory == directory { persist(change) } else { pending.append(change) }
    }
    try finish(effect)
  }

  private mutating func persist(_ change: NameChange) {
    switch change {
    case .link(let path, let node): durableEntries[path] = node
    case .rename(let from, let to, let node):
      // The source may be missing when its creation was the one that got lost, and an older file may
      // still have its name when that one's removal was lost: a rename never moves that.
      if durableEntries[from] == node {
        durableEntries[from] = nil
        durableEntries[to] = node
      }
    case .unlink(let path): durableEntries[path] = nil
    case .makeDirectory(let path): durableDirectories.insert(path)
    }
  }

  // MARK: Power-off

  mutating func losePower(_ dice: inout SimDice) {
    let prefix = dice.orderedPrefix(of: pending.count)
    for (index, change) in pending.enumerated() {
      // A journal keeps the order and loses a suffix; without one anything goes.
      if prefix.map({ index < $0 }) ?? dice.flip() { persist(change) }
    }
    pending = []
    durableEntries = durableEntries.filter { durableDirectories.contains(Self.parent($0.key)) }
    entries = durableEntries
    directories = durableDirectories
    let live = Set(entries.values)
    for node in nodes.keys.sorted() {
      if live.contains(node) { nodes[node]?.losePower(&dice) } else { nodes[node] = nil }
    }
    restart()
  }

  private static func notFound(_ path: String) -> StorageError {
    StorageError(.notFound, "no such file or directory", file: path, errno: ENOENT)
  }

  static func parent(_ path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "" }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  private static func lastComponent(_ path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return path }
    return String(path[path.index(after: slash)...])
  }
}
