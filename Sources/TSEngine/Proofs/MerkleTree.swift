/// Merkle trees as certificate transparency has them (RFC 6962, section 2.1): a tree over n leaves
/// splits at the largest power of two below n; so pairing level by level, a node without a
/// neighbour going up as it is, gives the same root.
package enum MerkleTree {
  package static func leaf(_ bytes: [UInt8]) -> Digest {
    var hash = SHA256()
    hash.update(ProofFormat.leafPrefix)
    hash.update(bytes)
    return Digest(hash)
  }

  static func node(_ left: Digest, _ right: Digest) -> Digest {
    // The prefix, both hashes, and the padding of 65 bytes: two blocks.
    var message = InlineArray<128, UInt8>(repeating: 0)
    message[0] = ProofFormat.nodePrefix
    left.put(into: &message, at: 1)
    right.put(into: &message, at: 33)
    message[65] = 0x80
    let bitCount: UInt16 = 65 * 8
    (message[126], message[127]) = (UInt8(bitCount >> 8), UInt8(truncatingIfNeeded: bitCount))
    // SAFETY: a UInt8 has no padding, so every byte is initialised.
    return unsafe Digest(SHA256.words(ofPadded: message.span.bytes))
  }

  /// The root over `nodes`, leaves or roots of whole subtrees of one size (the last may be smaller).
  package static func root(_ nodes: [Digest]) -> Digest {
    guard !nodes.isEmpty else { return Digest(SHA256.hash([UInt8]())) }
    var level = nodes
    while level.count > 1 { level = above(level) }
    return level[0]
  }

  /// The neighbours that lead from node `index` up to the root, lowest first.
  package static func path(_ nodes: [Digest], index: Int) -> [Digest] {
    var path: [Digest] = []
    var (level, at) = (nodes, index)
    while level.count > 1 {
      if at ^ 1 < level.count { path.append(level[at ^ 1]) }
      level = above(level)
      at /= 2
    }
    return path
  }

  private static func above(_ level: [Digest]) -> [Digest] {
    stride(from: 0, to: level.count, by: 2).map { left in
      left + 1 < level.count ? node(level[left], level[left + 1]) : level[left]
    }
  }

  /// The root that `path` leads to from `leaf`, or nil when a tree of `count` leaves has no such
  /// path from `index`. RFC 9162, section 2.1.3.2.
  package static func root(
    from leaf: Digest, index: UInt64, count: UInt64, path: [Digest]
  ) -> Digest? {
    guard index < count else { return nil }
    var (at, last, root) = (index, count - 1, leaf)
    for neighbour in path {
      guard last > 0 else { return nil }
      if at & 1 == 1 || at == last {
        root = node(neighbour, root)
        while at & 1 == 0, at != 0 { (at, last) = (at >> 1, last >> 1) }
      } else {
        root = node(root, neighbour)
      }
      (at, last) = (at >> 1, last >> 1)
    }
    return last == 0 ? root : nil
  }
}

/// What is kept of 256 neighbouring leaves: where they begin and the root over them.
package struct LeafGroup: Sendable, Equatable {
  package var first: LeafKey
  package var root: Digest
  /// Hashes of the leaves, kept where their rows were physically removed; else empty.
  package var leaves: [Digest] = []

  /// The body of a leaf group's record; the LSN of `first` is the record's.
  func encoded() -> [UInt8] {
    var out = ByteWriter(reserving: 96)
    out.varint(UInt64(first.table))
    out.string(first.device)
    out.zigzag(Int64(first.probe))
    out.put(first.time)
    out.put(root)
    for leaf in leaves { out.put(leaf) }
    return out.bytes
  }

  init(first: LeafKey, root: Digest) {
    self.first = first
    self.root = root
  }

  /// - Throws: `.corrupt`, `.truncated`.
  init(decoding bytes: RawSpan, lsn: LSN) throws(StorageError) {
    var reader = ByteReader(bytes)
    first = LeafKey(
      lsn: lsn, table: TableID(try reader.count(limit: Int(TableID.max))),
      device: try reader.string(limit: 128),
      probe: Int32(truncatingIfNeeded: try reader.zigzag()), time: try reader.next(Int64.self))
    root = try Digest(from: &reader)
    while !reader.isAtEnd { leaves.append(try Digest(from: &reader)) }
    guard leaves.isEmpty || MerkleTree.root(leaves) == root else {
      throw StorageError(.corrupt, "leaves that do not add up to their group")
    }
  }
}

/// Gathers leaves in their order into groups, holding one group's leaves at a time.
struct LeafGrouper: Sendable {
  private(set) var groups: [LeafGroup] = []
  private(set) var count: UInt64 = 0
  private var first: LeafKey?
  private var open: [Digest] = []

  /// - Precondition: keys rise.
  mutating func add(_ key: LeafKey, _ leaf: Digest) {
    if first == nil { first = key }
    open.append(leaf)
    count += 1
    if open.count == ProofFormat.groupLeafCount { close() }
  }

  private mutating func close() {
    guard let key = first else { return }
    groups.append(LeafGroup(first: key, root: MerkleTree.root(open)))
    open.removeAll(keepingCapacity: true)
    first = nil
  }

  /// The root over all leaves.
  mutating func finish() -> Digest {
    close()
    return MerkleTree.root(groups.map(\.root))
  }
}
