/// Keeps the hashes of leaves in groups of which compaction takes rows for good, so that the readings
/// beside them stay provable: a proof needs the hashes of its 256 neighbours, and of what is gone they
/// cannot be made again.
///
/// Told of the rows that go while segments are rewritten; then, before they go, it makes the leaves of
/// those groups once more from the files that are still live, a portion of a stretch at a step. Groups of
/// which nothing is left to prove keep their root alone, so dropping all of a stretch costs no bytes.
///
/// Touched by one thread at a time, as the job that has it.
package final class LeafKeeper {
  private struct Stretch {
    var groups: [LeafGroup]
    /// By group: rows of it go.
    var isTouched: [Bool]
  }

  /// Groups whose leaves are made in one step, 256 leaves each of which some 100 bytes are held.
  private static let groupsInAStep = 1024

  private let sealer: Sealer
  /// Of what is sealed, oldest first.
  private let links: [ChainLink]
  private let journals: [Manifest.JournalSegment]
  private let shared: Shared
  private let lifecycles: Lifecycles
  private let leaves: SealedLeaves
  private let takeID: @Sendable () -> UInt64
  /// By place in `links`; nil where hashes are lost already.
  private var stretches: [Int: Stretch?] = [:]
  private var pending: [Int]?
  /// What failed while rows were told.
  private var failure: StorageError?

  init(_ live: Live, _ shared: Shared, _ sealer: Sealer, takeID: @escaping @Sendable () -> UInt64) {
    self.sealer = sealer
    self.takeID = takeID
    links = shared.chain.withLock { $0 }.filter { $0.lsns.upperBound <= live.manifest.sealedLSN }
    journals = live.manifest.journals
    self.shared = shared
    lifecycles = live.registry.lifecycles
    leaves = SealedLeaves(
      segments: live.segments.filter { !$0.isDamaged }, schema: live.registry.schema,
      symbols: shared.symbols)
  }

  // MARK: Rows that go

  /// All rows of a block go.
  func note(_ block: BlockReader, of key: SeriesKey) throws(StorageError) {
    let times = try block.times()
    var start = 0
    for run in try block.lsns() {
      note(key, run.lsn, times.tick(start)...times.tick(run.end - 1))
      start = run.end
    }
  }

  /// `range` of `rows` goes; `lsns` is of each row.
  func note(_ rows: RowSet, _ range: Range<Int>, _ lsns: [LSN], of key: SeriesKey) {
    var row = range.lowerBound
    while row < range.upperBound {
      let start = row
      while row < range.upperBound, lsns[row] == lsns[start] { row += 1 }
      note(key, lsns[start], rows.times.tick(start)...rows.times.tick(row - 1))
    }
  }

  private func note(_ key: SeriesKey, _ lsn: LSN, _ times: ClosedRange<Int64>) {
    guard let place = place(of: lsn), load(place), let groups = stretches[place]??.groups else { return }
    func group(at time: Int64) -> Int {
      Self.group(
        of: LeafKey(lsn: lsn, table: key.table, device: key.device, probe: key.probe, time: time), groups)
    }
    let (first, last) = (group(at: times.lowerBound), group(at: times.upperBound))
    guard first <= last, last >= 0 else { return }
    for group in max(0, first)...last { stretches[place]??.isTouched[group] = true }
  }

  /// The link over `lsn`. O(log links).
  private func place(of lsn: LSN) -> Int? {
    var (low, high) = (0, links.count)
    while low < high {
      let middle = (low + high) / 2
      if links[middle].lsns.upperBound < lsn { low = middle + 1 } else { high = middle }
    }
    return low < links.count && links[low].lsns.contains(lsn) ? low : nil
  }

  /// The last group that begins at or before `key`, or −1. O(log groups).
  private static func group(of key: LeafKey, _ groups: [LeafGroup]) -> Int {
    var (low, high) = (0, groups.count)
    while low < high {
      let middle = (low + high) / 2
      if groups[middle].first <= key { low = middle + 1 } else { high = middle }
    }
    return low - 1
  }

  private func load(_ place: Int) -> Bool {
    if let known = stretches[place] { return known != nil }
    do throws(StorageError) {
      let groups = try JournalSegment.groups(
        of: links[place], journals, sealer.disk, directory: sealer.directory, store: sealer.storeID)
      stretches[place] = Stretch(
        groups: groups, isTouched: [Bool](repeating: false, count: groups.count))
      return true
    } catch {
      // Lost hashes prove nothing any more; a disk that does not answer must not cost more of them.
      if error.code != .corrupt, error.code != .truncated, error.code != .notFound { failure = error }
      stretches[place] = .some(nil)
      return false
    }
  }

  // MARK: Their hashes

  /// Makes the leaves of some groups and writes their hashes beside the store's journals.
  /// - Returns: false when all is done.
  func step(into installation: inout CommitRequest.Installation) throws(StorageError) -> Bool {
    if let failure { throw failure }
    if pending == nil {
      pending = stretches.compactMap { $0.value == nil ? nil : $0.key }.sorted()
    }
    guard let place = pending?.first, let stretch = stretches[place] ?? nil else { return false }
    let wanted = try wanted(of: stretch, links[place])
    guard let first = wanted.first else {
      pending?.removeFirst()
      return !(pending?.isEmpty ?? true)
    }
    let limit = first + Self.groupsInAStep
    let portion = wanted.prefix { $0 < limit }
    let kept = try leaves(of: portion, stretch, links[place])
    for group in portion { stretches[place]??.isTouched[group] = false }
    if !kept.isEmpty {
      let records = kept.map {
        JournalSegment.Record(
          kind: ProofRecordKind.leafGroup.rawValue, lsn: $0.first.lsn, bytes: $0.encoded())
      }
      try sealer.write(records, CommitClock(), .leaves, links[place].lsns, takeID(), &installation)
    }
    return true
  }

  /// Touched groups whose hashes are not kept yet and of which something is left to be proven.
  private func wanted(of stretch: Stretch, _ link: ChainLink) throws(StorageError) -> [Int] {
    let groups = stretch.groups
    let touched = groups.indices.filter { stretch.isTouched[$0] && groups[$0].leaves.isEmpty }
    if touched.isEmpty { return [] }
    // +1 where a part that stays begins, −1 behind its end.
    var edges = [Int](repeating: 0, count: groups.count + 1)
    func keep(_ first: LeafKey, _ last: LeafKey) {
      let end = Self.group(of: last, groups)
      if end < 0 { return }
      edges[max(0, Self.group(of: first, groups))] += 1
      edges[end + 1] -= 1
    }
    // As of a damaged block: a group that lacks an event is not kept, and purging goes on.
    var events = EventCursor(sealed: journals, shared, link.lsns, skipsDamage: true)
    while let event = try events.next() {
      keep(LeafKey(lsn: event.lsn), LeafKey(lsn: event.lsn))
    }
    try leaves.forEachBlock(of: link.lsns) { (key, block) in
      let lsns = block.oldestLSN...block.newestLSN
      let times = block.firstTime...block.lastTime
      if case .everything = self.lifecycles.removals(of: key)?.mask(times, lsns: lsns) { return }
      let isOne = lsns.count == 1
      func leaf(_ lsn: LSN, _ time: Int64) -> LeafKey {
        LeafKey(lsn: lsn, table: key.table, device: key.device, probe: key.probe, time: time)
      }
      keep(
        leaf(lsns.lowerBound, isOne ? times.lowerBound : .min),
        leaf(lsns.upperBound, isOne ? times.upperBound : .max))
    }
    var isKept: [Bool] = []
    var open = 0
    for edge in edges.dropLast() {
      open += edge
      isKept.append(open > 0)
    }
    return touched.filter { isKept[$0] }
  }

  private func leaves(
    of portion: ArraySlice<Int>, _ stretch: Stretch, _ link: ChainLink
  ) throws(StorageError) -> [LeafGroup] {
    guard let first = portion.first, let last = portion.last else { return [] }
    let groups = stretch.groups
    let end = last + 1 < groups.count ? groups[last + 1].first : nil
    let isWanted = Set(portion)
    var made: [Int: [(key: LeafKey, digest: Digest)]] = [:]
    let bounds = SealedLeaves.Bounds(
      start: groups[first].first, end: end, lastLSN: link.lsns.upperBound)
    try leaves.forEach(bounds, skipsDamage: true) { (key, leaf) throws(StorageError) in
      let group = Self.group(of: key, groups)
      if isWanted.contains(group) { made[group, default: []].append((key, leaf.digest())) }
    }
    // As of a damaged block: a group that lacks an event is not kept, and purging goes on.
    var events = EventCursor(sealed: journals, shared, link.lsns, skipsDamage: true)
    while let event = try events.next() {
      let key = LeafKey(lsn: event.lsn)
      let group = Self.group(of: key, groups)
      guard isWanted.contains(group) else { continue }
      made[group, default: []].append(
        (key, Leaf(event: try Journal.encode(event), lsn: event.lsn).digest))
    }
    var kept: [LeafGroup] = []
    for index in portion {
      var group = groups[index]
      group.leaves = (made[index] ?? []).sorted { $0.key < $1.key }.map(\.digest)
      // Else something of it is damaged or was taken before hashes were kept: nothing can be proven.
      if MerkleTree.root(group.leaves) == group.root { kept.append(group) }
    }
    return kept
  }
}

extension JournalSegment {
  /// The leaf groups of a stretch, with the hashes of those of which rows were removed for good.
  /// - Throws: `.corrupt` when any part of them is damaged, `.notFound`, `.io`.
  static func groups(
    of link: ChainLink, _ journals: [Manifest.JournalSegment], _ disk: any Disk, directory: String,
    store: StoreID
  ) throws(StorageError) -> [LeafGroup] {
    var groups: [LeafGroup] = []
    // The one that was sealed first, then what compaction kept since.
    for journal in journals
    where journal.content == .leaves && journal.newestLSN == link.lsns.upperBound {
      let read = try self.groups(disk, directory: directory, store: store, id: journal.id)
      if groups.isEmpty {
        groups = read
      } else {
        let kept = Dictionary(read.map { ($0.first, $0) }, uniquingKeysWith: { $1 })
        for index in groups.indices {
          if let better = kept[groups[index].first], better.root == groups[index].root {
            groups[index] = better
          }
        }
      }
    }
    return groups
  }
}
