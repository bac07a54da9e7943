/// Proofs of what a store has sealed.
extension Store {
  /// The links of the chain, oldest first.
  package var chain: [ChainLink] { shared.chain.withLock { $0 } }

  /// A proof of the reading that `device`'s `probe` has at `time` in `table`, as readers see it.
  /// - Throws: `.notFound` when there is no such reading; `.invalid` when it is not sealed yet, or
  ///   was sealed before the chain began; `.corrupt`, `.io`.
  /// - Complexity: reads the hashes of one sealed stretch and the blocks of 256 leaves.
  package func prove(
    table: TableID, device: String, probe: Int32, time: Int64
  ) throws(StorageError) -> Proof {
    let live = shared.live.withLock { $0 }
    let key = SeriesKey(table: table, device: device, probe: probe)
    let number = shared.series.series(of: table, devices: [device]).first { $0.key == key }?.number
    let times = SampleTimes.explicit([time])
    guard let rows = try SeriesSources(live: live).rows(of: key, number: number, at: times) else {
      throw StorageError(.notFound, "no such reading")
    }
    let row = rows.count == 0 ? 0 : rows.times.firstRow(atOrAfter: time)
    guard row < rows.count, rows.times.tick(row) == time,
      let run = rows.lsns.first(where: { $0.end > row })
    else { throw StorageError(.notFound, "no such reading") }
    return try prove(
      LeafKey(lsn: run.lsn, table: table, device: device, probe: probe, time: time), live)
  }

  /// A proof of the event at `lsn`.
  /// - Throws: as above.
  package func prove(event lsn: LSN) throws(StorageError) -> Proof {
    let live = shared.live.withLock { $0 }
    var events = EventCursor(live, shared, lsn...lsn)
    guard try events.next() != nil else { throw StorageError(.notFound, "no event has this lsn") }
    return try prove(LeafKey(lsn: lsn), live)
  }

  /// - Parameter key: in the leaf, or its very key.
  private func prove(_ key: LeafKey, _ live: Live) throws(StorageError) -> Proof {
    // The chain may know of a stretch that was sealed since `live` was taken.
    let sealed = chain.prefix { $0.lsns.upperBound <= live.manifest.sealedLSN }
    guard let link = sealed.first(where: { $0.lsns.contains(key.lsn) }) else {
      let isSealed = key.lsn <= live.manifest.sealedLSN
      throw StorageError(
        .invalid,
        isSealed
          ? "lsn \(key.lsn) was sealed without a root: by an older version, or before damage"
          : "lsn \(key.lsn) is not sealed yet; that is done within the hour, or by: tsq compact")
    }
    let groups = try JournalSegment.groups(
      of: link, live.manifest.journals, options.disk, directory: directory, store: storeID)
    guard MerkleTree.root(groups.map(\.root)) == link.root,
      let number = groups.lastIndex(where: { $0.first <= key })
    else { throw StorageError(.corrupt, "the hashes of lsn \(key.lsn) do not lead to their root") }
    let end = number + 1 < groups.count ? groups[number + 1].first : nil
    let leaves = try self.leaves(from: groups[number].first, to: end, of: link, live)
    // Where rows were removed, the hashes kept of them stand in.
    let kept = groups[number].leaves
    let hashes = kept.isEmpty ? leaves.map(\.digest) : kept
    var found = leaves.last { $0.key <= key }
    if !kept.isEmpty, found.map({ !kept.contains($0.digest) }) ?? true, key.table > 0 {
      found = try leaf(around: key, from: groups[number].first, to: end, of: link, among: kept, live)
    }
    guard let leaf = found, let place = hashes.firstIndex(of: leaf.digest) else {
      throw Self.mismatch(key, live.manifest)
    }
    let proof = Proof(
      store: storeID, leaf: leaf.bytes,
      index: UInt64(number * ProofFormat.groupLeafCount + place),
      path: MerkleTree.path(hashes, index: place)
        + MerkleTree.path(groups.map(\.root), index: number),
      link: link)
    guard proof.holds else { throw Self.mismatch(key, live.manifest) }
    return proof
  }

  /// What is stored is not what was sealed: rows were removed by an act, or changed by nobody's.
  private static func mismatch(_ key: LeafKey, _ manifest: Manifest) -> StorageError {
    if manifest.removed.values.contains(where: { $0.newestLSN > key.lsn }) {
      return StorageError(
        .invalid, "readings beside lsn \(key.lsn) were removed for good, and its proof with them")
    }
    return StorageError(
      .corrupt, "what is stored around lsn \(key.lsn) is not what was sealed")
  }

  /// The leaves of one group, made again from sealed rows and events.
  private func leaves(
    from start: LeafKey, to end: LeafKey?, of link: ChainLink, _ live: Live
  ) throws(StorageError) -> [Leaf] {
    var leaves: [Leaf] = []
    let bounds = SealedLeaves.Bounds(start: start, end: end, lastLSN: link.lsns.upperBound)
    let sealed = SealedLeaves(
      segments: live.segments, schema: live.registry.schema, symbols: symbols)
    try sealed.forEach(bounds) { (key, leaf) throws(StorageError) in
      leaves.append(Leaf(key: key, bytes: leaf.bytes))
    }
    var events = EventCursor(live, shared, link.lsns)
    while let event = try events.next() {
      let key = LeafKey(lsn: event.lsn)
      guard key >= start, end.map({ key < $0 }) ?? true else { continue }
      leaves.append(Leaf(event: try Journal.encode(event), lsn: event.lsn))
    }
    return leaves.sorted { $0.key < $1.key }
  }
}

extension Store {
  /// The leaf that holds `key`'s reading and whose hash is one of `kept`; nil when rows of it are gone.
  private func leaf(
    around key: LeafKey, from start: LeafKey, to end: LeafKey?, of link: ChainLink,
    among kept: [Digest], _ live: Live
  ) throws(StorageError) -> Leaf? {
    let bounds = SealedLeaves.Bounds(start: start, end: end, lastLSN: link.lsns.upperBound)
    let sealed = SealedLeaves(
      segments: live.segments, schema: live.registry.schema, symbols: symbols)
    let kept = Set(kept)
    var found: Leaf?
    try sealed.candidates(around: key, bounds) { key, leaf in
      if kept.contains(leaf.digest()) { found = Leaf(key: key, bytes: leaf.bytes) }
      return found != nil
    }
    return found
  }
}

extension JournalSegment {
  /// The leaf groups of a segment of hashes.
  /// - Throws: `.corrupt` when any part of it is damaged, `.io`.
  static func groups(
    _ disk: any Disk, directory: String, store: StoreID, id: UInt64
  ) throws(StorageError) -> [LeafGroup] {
    let content = try read(disk, directory: directory, store: store, id: id)
    guard content.damaged.isEmpty else {
      throw StorageError(
        .corrupt, "hashes of leaves fail their checksum", file: FileNames.journalSegment(id),
        offset: content.damaged[0].lowerBound)
    }
    var groups: [LeafGroup] = []
    for record in content.records where record.kind == ProofRecordKind.leafGroup.rawValue {
      groups.append(try LeafGroup(decoding: record.bytes.rawSpan, lsn: record.lsn))
    }
    return groups
  }
}
