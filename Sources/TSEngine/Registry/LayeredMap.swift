import HashTreeCollections

/// A map by text: a base in order of the keys, as a checkpoint gives it, and what has changed since in a
/// persistent dictionary. Copies share both.
///
/// The base takes the bytes of keys and values and 6 to 11 bytes an entry beside them, and is read in
/// without a tree of its own; an entry of the dictionary takes some 70 bytes more.
struct LayeredMap<Value: Sendable & Equatable>: Sendable {
  /// Ascending.
  private var keys: [String] = []
  private var values: [Value] = []
  /// Open addressing, linear probing: a place in `keys` + 1, or 0 where free. A power of two, at most
  /// three quarters full.
  private var slots: [UInt32] = []
  /// Nil for what is in the base and is gone.
  private var changes: TreeDictionary<String, Value?> = [:]
  private(set) var count = 0

  init() {}

  /// O(1).
  subscript(key: String) -> Value? {
    get {
      if let change = changes[key] { return change }
      return place(key).map { values[$0] }
    }
    set {
      let before = self[key] != nil
      count += (newValue == nil ? 0 : 1) - (before ? 1 : 0)
      if newValue == nil, place(key) == nil {
        changes.removeValue(forKey: key)
      } else {
        changes.updateValue(newValue, forKey: key)
      }
    }
  }

  /// Changes the value of `key` where it lies, in one look-up of a changed entry; false when there is none. O(1).
  @discardableResult
  mutating func update(_ key: String, _ body: (inout Value) -> Void) -> Bool {
    var changes: TreeDictionary<String, Value?> = [:]
    swap(&changes, &self.changes)
    defer { swap(&changes, &self.changes) }
    let isThere = changes.updateValue(forKey: key, default: place(key).map { values[$0] }) { value in
      // Taken out, so that what it refers to has one owner while it changes.
      guard var changed = value.take() else { return false }
      body(&changed)
      value = changed
      return true
    }
    if !isThere, place(key) == nil { changes.removeValue(forKey: key) }
    return isThere
  }

  /// Calls `body` with all entries, ascending by key. O(n + c log c) for c changes.
  func forEach(_ body: (String, Value) -> Void) {
    var next = 0
    for (key, change) in changes.sorted(by: { $0.key < $1.key }) {
      while next < keys.count, keys[next] < key {
        body(keys[next], values[next])
        next += 1
      }
      if next < keys.count, keys[next] == key { next += 1 }
      if let change { body(key, change) }
    }
    while next < keys.count {
      body(keys[next], values[next])
      next += 1
    }
  }

  // MARK: The base

  /// A base as it is read in.
  struct Base {
    fileprivate var keys: [String] = []
    fileprivate var values: [Value] = []
    private let wanted: Int

    var count: Int { keys.count }
    var isFull: Bool { keys.count == wanted }

    /// - Parameter count: how many entries are to come.
    init(count: Int) {
      wanted = count
      // A count that damage made must not take the memory of the machine.
      keys.reserveCapacity(min(count, 1 << 20))
      values.reserveCapacity(min(count, 1 << 20))
    }

    /// - Throws: `.corrupt` for entries that do not ascend.
    mutating func append(_ key: String, _ value: Value) throws(StorageError) {
      if let last = keys.last, last >= key { throw StorageError(.corrupt, "entries out of order") }
      keys.append(key)
      values.append(value)
    }
  }

  init(_ base: Base) {
    keys = base.keys
    values = base.values
    count = keys.count
    precondition(count < Int(UInt32.max), "places are of 32 bits")
    var slotCount = 16
    while slotCount * 3 < count * 4 { slotCount *= 2 }
    slots = [UInt32](repeating: 0, count: slotCount)
    for index in keys.indices {
      var slot = firstSlot(keys[index])
      while slots[slot] != 0 { slot = (slot &+ 1) & (slotCount &- 1) }
      slots[slot] = UInt32(index + 1)
    }
  }

  /// Values of the base by place, changed since or not.
  var base: [Value] { values }

  private func firstSlot(_ key: String) -> Int { key.hashValue & (slots.count &- 1) }

  private func place(_ key: String) -> Int? {
    if slots.isEmpty { return nil }
    var slot = firstSlot(key)
    while slots[slot] != 0 {
      let index = Int(slots[slot]) &- 1
      if keys[index] == key { return index }
      slot = (slot &+ 1) & (slots.count &- 1)
    }
    return nil
  }
}

extension LayeredMap: Equatable {
  /// By what they hold, whatever of it is in the base. O(n).
  static func == (a: LayeredMap, b: LayeredMap) -> Bool {
    guard a.count == b.count else { return false }
    var isEqual = true
    a.forEach { key, value in isEqual = isEqual && b[key] == value }
    return isEqual
  }
}
