/// One file of a `SimDisk`: what the operating system shows and what the platter holds.
struct SimNode: Sendable {
  static let sectorByteCount = 512

  /// What reads see: the page cache.
  private(set) var cached: [UInt8] = []
  /// What a power-off leaves for certain.
  private(set) var durable: [UInt8] = []
  /// Sectors of `cached` that no sync has covered yet.
  private var dirty: Set<Int> = []
  private var isResized = false

  mutating func write(_ bytes: ArraySlice<UInt8>, at offset: Int) {
    guard !bytes.isEmpty else { return }
    let end = offset + bytes.count
    if cached.count < end {
      // A hole reads as zeros.
      cached.appendZeros(end - cached.count)
      isResized = true
    }
    cached.overwrite(offset, with: bytes)
    for sector in (offset / Self.sectorByteCount)...((end - 1) / Self.sectorByteCount) {
      dirty.insert(sector)
    }
  }

  mutating func truncate(to byteCount: Int) {
    if byteCount < cached.count {
      cached.removeSubrange(byteCount...)
      dirty = dirty.filter { $0 * Self.sectorByteCount < byteCount }
    } else {
      cached.appendZeros(byteCount - cached.count)
    }
    isResized = true
  }

  mutating func sync() {
    resizeDurable(to: cached.count)
    for sector in dirty { persist(sector) }
    dirty = []
    isResized = false
  }

  /// The sync failed: some sectors made it, and the cache forgets that the others did not.
  mutating func failSync(_ random: inout SimRandom) {
    if random.flip() { resizeDurable(to: cached.count) }
    for sector in dirty.sorted() where random.flip() { persist(sector) }
    dirty = []
    isResized = false
  }

  /// Rereads from the platter whatever the cache holds as clean.
  mutating func discardCached() {
    var fresh = durable
    if isResized || !dirty.isEmpty {
      fresh.resize(to: cached.count)
      for sector in dirty {
        let range = Self.range(of: sector, limit: cached.count)
        fresh.overwrite(range.lowerBound, with: cached[range])
      }
    }
    cached = fresh
  }

  /// Power is lost: unsynced sectors and the new size survive or not, each on its own.
  mutating func losePower(_ dice: inout SimDice) {
    if isResized && dice.flip() { resizeDurable(to: cached.count) }
    // A device with physical sectors of 4 KiB keeps or loses eight of ours at a time.
    let step = dice.physicalSectorCount
    var block = (number: -1, isKept: false)
    for sector in dirty.sorted() {
      if block.number != sector / step { block = (sector / step, dice.flip()) }
      guard block.isKept else { continue }
      let range = Self.range(of: sector, limit: cached.count)
      if durable.count < range.upperBound {
        // A sector past the old end survives only together with the size that covers it.
        guard dice.flip() else { continue }
        durable.resize(to: range.upperBound)
      }
      persist(sector)
    }
    dirty = []
    isResized = false
    cached = durable
  }

  /// Changes bytes behind everybody's back, in cache and on the platter.
  mutating func damage(_ body: (inout [UInt8]) -> Void) {
    body(&cached)
    durable = cached
    dirty = []
    isResized = false
  }

  private mutating func persist(_ sector: Int) {
    let range = Self.range(of: sector, limit: min(cached.count, durable.count))
    durable.overwrite(range.lowerBound, with: cached[range])
  }

  private mutating func resizeDurable(to byteCount: Int) { durable.resize(to: byteCount) }

  private static func range(of sector: Int, limit: Int) -> Range<Int> {
    let start = min(sector * sectorByteCount, limit)
    return start..<min(start + sectorByteCount, limit)
  }
}

extension [UInt8] {
  fileprivate mutating func resize(to byteCount: Int) {
    if count > byteCount {
      removeSubrange(byteCount...)
    } else if count < byteCount {
      appendZeros(byteCount - count)
    }
  }
}
