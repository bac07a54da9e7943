import Synchronization

/// Checked sections of data segments, still encoded, within a byte budget. Sharded so that query
/// threads seldom meet; each shard evicts by second chance (CLOCK).
package final class BlockCache: Sendable {
  private struct Key: Hashable {
    var segment: UInt64
    var offset: Int
  }
  private struct Slot {
    var key: Key
    var bytes: [UInt8]
    var used: Bool
  }
  private struct Shard: Sendable {
    var places: [Key: Int] = [:]
    var slots: [Slot] = []
    var hand = 0
    var byteCount = 0
  }
  private final class Guarded: Sendable { let shard = Mutex(Shard()) }

  private static let shardCount = 16
  private let shards: [Guarded]
  private let shardByteLimit: Int

  package init(byteLimit: Int) {
    shards = (0..<Self.shardCount).map { _ in Guarded() }
    shardByteLimit = byteLimit / Self.shardCount
  }

  package func bytes(segment: UInt64, offset: Int) -> [UInt8]? {
    let key = Key(segment: segment, offset: offset)
    return guarded(key).shard.withLock { shard in
      guard let place = shard.places[key] else { return nil }
      shard.slots[place].used = true
      return shard.slots[place].bytes
    }
  }

  package func insert(_ bytes: [UInt8], segment: UInt64, offset: Int) {
    let key = Key(segment: segment, offset: offset)
    let limit = shardByteLimit
    guarded(key).shard.withLock { shard in
      guard shard.places[key] == nil, bytes.count <= limit else { return }
      while shard.byteCount + bytes.count > limit { Self.evictOne(&shard) }
      shard.places[key] = shard.slots.count
      shard.slots.append(Slot(key: key, bytes: bytes, used: false))
      shard.byteCount += bytes.count
    }
  }

  /// Precondition: the shard is not empty (guaranteed while its byte count is above zero).
  private static func evictOne(_ shard: inout Shard) {
    while true {
      if shard.hand >= shard.slots.count { shard.hand = 0 }
      let hand = shard.hand
      if shard.slots[hand].used {
        shard.slots[hand].used = false
        shard.hand += 1
        continue
      }
      let gone = shard.slots[hand]
      shard.places[gone.key] = nil
      shard.byteCount -= gone.bytes.count
      let moved = shard.slots.removeLast()
      if hand < shard.slots.count {
        shard.slots[hand] = moved
        shard.places[moved.key] = hand
      }
      return
    }
  }

  private func guarded(_ key: Key) -> Guarded {
    shards[Int(truncatingIfNeeded: key.offset >> 6) & (Self.shardCount - 1)]
  }
}
