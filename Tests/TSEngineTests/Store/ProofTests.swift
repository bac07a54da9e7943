import Testing

@testable import TSEngine

/// T-13: the chain of Merkle roots, and proofs of single readings and events.
@Suite struct ProofTests {
  let bench = StoreBench(seed: 8)
  let start = StoreBench.start
  let loadStart = StoreBench.start - 2_000_000_000_000

  /// Frames of several devices, a conflict, late rows, a quarantined frame, a bulk append with two
  /// versions of one instant, events: sealed in three stretches.
  private func fill(_ store: Store) throws {
    for second in 0..<9 as Range<Int64> {
      for device in 0..<12 {
        _ = try store.append(
          .power("d\(device)", at: start + second * 1_000_000_000), creator: StoreBench.actor)
      }
      bench.clock.advance(nanos: 5_000_000)
    }
    _ = try store.append(.power("d1", at: start, probes: [1], count: 5, value: 7))
    try store.seal()
    _ = try store.append(.power("d1", at: start - 60_000_000_000, probes: [1], count: 300))
    _ = try store.append(.power("d2", at: -5, probes: [1], count: 3))
    var load = try store.bulkWriter(1, creator: StoreBench.actor)
    var batch = FrameBatch.power("bulk", at: loadStart, probes: [1, 9], count: 20_000)
    batch.addPower("bulk", at: loadStart, probes: [9], count: 7, value: 1)
    batch.addPower("d1", at: start, probes: [1], count: 3, value: 1)
    try load.append(batch)
    _ = try load.commit()
    _ = try store.append(.power("d3", at: start + 100_000_000_000, probes: [3]))
    try store.seal()
    _ = try store.append(.power("d4", at: start + 100_000_000_000, probes: [3]))
    _ = try store.decide(actor: StoreBench.actor) { $0.createUser("kim", $1) }
    try store.seal()
  }

  /// Proofs of readings all over the store.
  private func proofs(_ store: Store) throws -> [Proof] {
    var proofs: [Proof] = []
    func add(_ device: String, _ probe: Int32, _ time: Int64, table: TableID = 1) throws {
      proofs.append(try store.prove(table: table, device: device, probe: probe, time: time))
    }
    for device in 0..<12 {
      for second in stride(from: 0, to: 9, by: 4) as StrideTo<Int64> {
        try add("d\(device)", 2, start + second * 1_000_000_000 + 50_000_000)
      }
    }
    for row in [0, 6, 63, 64, 17_000, 19_999] as [Int64] {
      try add("bulk", 1, loadStart + row * 50_000_000)
      try add("bulk", 9, loadStart + row * 50_000_000)
    }
    try add("d1", 1, start)
    try add("d1", 1, start + 200_000_000)
    try add("d1", 1, start - 60_000_000_000 + 299 * 50_000_000)
    try add("d2", 1, -5, table: TableID(1).quarantine)
    try add("d4", 3, start + 100_000_000_000)
    for event in try store.snapshot().events() { proofs.append(try store.prove(event: event.lsn)) }
    return proofs
  }

  /// T-13: the same proofs from sealed, compacted and reopened stores, the log long gone.
  @Test func everyProofHoldsAndStaysTheSameWhateverBecomesOfTheStore() throws {
    var store = try bench.open()
    try fill(store)
    let sealed = try proofs(store)
    #expect(sealed.allSatisfy { $0.holds })
    #expect(store.chain.count == 3)
    #expect(Set(sealed.map(\.head)).count == 3, "readings of every stretch")
    for proof in sealed { #expect(proof.json.utf8.count <= 4096, "\(proof.json.utf8.count) bytes") }
    try store.close()
    store = try bench.open()
    #expect(try proofs(store) == sealed, "reopened")
    try store.compact()
    #expect(try proofs(store) == sealed, "compacted")
    try store.close()
    store = try bench.open()
    #expect(try proofs(store) == sealed, "compacted and reopened")
    let report = try Verify.run(bench.options(readOnly: true), StoreBench.path)
    #expect(report.isWhole && report.linkCount == store.chain.count, "\(report)")
  }

  @Test func linksCoverTheLogWithoutGapAndNameTheHeadBeforeThem() throws {
    let store = try bench.open()
    try fill(store)
    var head = Digest.zero
    var next: LSN = 1
    for link in store.chain {
      #expect(link.previous == head && link.lsns.lowerBound == next)
      head = link.head(store.storeID)
      next = link.lsns.upperBound + 1
    }
    #expect(next == store.durableLSN + 1)
  }

  /// T-13: what is not sealed has no proof yet, and what is not there never has one.
  @Test func onlyWhatIsSealedAndThereIsProven() throws {
    let store = try bench.open()
    _ = try store.append(.power("d1", at: start), creator: StoreBench.actor)
    #expect(throws: StorageError.self) {
      _ = try store.prove(table: 1, device: "d1", probe: 1, time: start)
    }
    try store.seal()
    #expect(try store.prove(table: 1, device: "d1", probe: 1, time: start).holds)
    for (device, probe, time) in [("d2", 1, start), ("d1", 4, start), ("d1", 1, start + 1)] {
      let error = #expect(throws: StorageError.self) {
        _ = try store.prove(table: 1, device: device, probe: Int32(probe), time: time)
      }
      #expect(error?.code == .notFound)
    }
  }

  /// The root says what the log had: rows changed behind the store's back, checksums and all, are
  /// not proven.
  @Test func aProofOfWhatWasNotSealedIsRefused() throws {
    let store = try bench.open()
    try fill(store)
    var proof = try store.prove(table: 1, device: "d3", probe: 2, time: start)
    let good = proof
    for index in proof.leaf.indices {
      proof = good
      proof.leaf[index] ^= 4
      #expect(!proof.holds, "byte \(index)")
    }
    for index in good.path.indices {
      proof = good
      proof.path[index] = good.path[(index + 1) % good.path.count]
      #expect(!proof.holds, "neighbour \(index)")
    }
    for index in 0..<good.link.leafCount where index != good.index {
      proof = good
      proof.index = index
      #expect(!proof.holds, "index \(index)")
    }
  }

  /// Frames with nulls, texts, runs that meet themselves, absurd times: what is made again from
  /// blocks leads to the root that was made from the log.
  @Test func rowsOfEveryShapeAreProven() throws {
    for seed in 0..<seedCount(4) {
      let bench = StoreBench(seed: UInt64(seed), sharing: .small(UInt64(seed)))
      let store = try bench.open()
      var maker = BatchMaker(seed: UInt64(seed), start: start)
      for round in 0..<60 {
        _ = try store.append(maker.batch(store.symbols), creator: StoreBench.actor)
        if round % 20 == 19 { try store.seal() }
      }
      try store.compact()
      let keys = try StoreReading.rows(store.snapshot()).keys.sorted()
      for index in stride(from: seed, to: keys.count, by: 61) {
        let (key, time) = (keys[index].series, keys[index].time)
        let proof = try store.prove(
          table: key.table, device: key.device, probe: key.probe, time: time)
        #expect(proof.holds, "seed \(seed) \(key) \(time)")
      }
    }
  }

  /// RFC 6962, section 2.1: the tree splits at the largest power of two below the count.
  @Test(arguments: [1, 2, 3, 7, 8, 255, 256, 257, 513, 1000])
  func everyLeafLeadsToTheRootOfTheRecursiveDefinition(count: Int) {
    let leaves = (0..<count).map { MerkleTree.leaf([UInt8(truncatingIfNeeded: $0), 7]) }
    func root(_ part: ArraySlice<Digest>) -> Digest {
      if part.count == 1 { return part[part.startIndex] }
      var split = 1
      while split * 2 < part.count { split *= 2 }
      return MerkleTree.node(root(part.prefix(split)), root(part.dropFirst(split)))
    }
    let expected = root(leaves[...])
    #expect(MerkleTree.root(leaves) == expected)
    var grouper = LeafGrouper()
    for (index, leaf) in leaves.enumerated() { grouper.add(LeafKey(lsn: LSN(index)), leaf) }
    #expect(grouper.finish() == expected)
    let roots = grouper.groups.map(\.root)
    for index in stride(from: 0, to: count, by: max(1, count / 40)) {
      let group = index / 256
      let path =
        MerkleTree.path(Array(leaves[(group * 256)..<min(count, group * 256 + 256)]), index: index % 256)
        + MerkleTree.path(roots, index: group)
      func lead(_ to: Int, _ path: [Digest]) -> Digest? {
        MerkleTree.root(from: leaves[index], index: UInt64(to), count: UInt64(count), path: path)
      }
      #expect(path == MerkleTree.path(leaves, index: index))
      #expect(lead(index, path) == expected)
      #expect(lead(index ^ 1, path) != expected)
      #expect(lead(index, path + [expected]) != expected)
      #expect(path.isEmpty || lead(index, path.dropLast()) != expected)
    }
  }

  @Test func theEmptyTreeHasTheDigestOfNothing() {
    #expect(MerkleTree.root([]) == Digest(SHA256.hash([UInt8]())))
  }

  /// However the rows of one LSN are spread over sets, their leaves are the same bytes.
  @Test func leavesDoNotDependOnHowRowsAreStored() throws {
    let symbols = SymbolTable()
    var maker = BatchMaker(seed: 5, start: start)
    var random = SimRandom(seed: 6)
    let key = SeriesKey(table: 1, device: "d", probe: 1)
    for round in 0..<60 {
      let batch = maker.batch(symbols)
      let sets = batch.runs.map { run in
        var rows = RowAccumulator()
        rows.append(run, of: batch, lsn: 5)
        return rows.rows()
      }
      func leaves(_ sets: [RowSet]) -> [[UInt8]] {
        var leaves: [[UInt8]] = []
        var writer = LeafWriter(symbols: symbols)
        LeafRows(sets, of: key, lsn: 5, schema: LeafSchema(.power)).forEach(&writer) {
          leaves.append($1.bytes)
        }
        return leaves
      }
      var cut: [RowSet] = []
      for set in sets {
        let at = random.below(set.count + 1)
        for part in [0..<at, at..<set.count] where !part.isEmpty { cut.append(set.slice(part)) }
      }
      #expect(leaves(sets) == leaves(cut.reversed()), "round \(round)")
      #expect(leaves(sets) == leaves(sets + [sets[0]]), "round \(round): a row twice is one row")
    }
  }

  @Test func shaOfBlocksIsTheSameWithAndWithoutTheProcessorsExtensions() {
    var random = SimRandom(seed: 1)
    for blocks in 0..<20 {
      let bytes = (0..<(blocks * 64)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
      #expect(SHA256.state(ofBlocks: bytes) == SHA256.portableState(ofBlocks: bytes))
      var parts = SHA256()
      var at = 0
      while at < bytes.count {
        let end = min(bytes.count, at + random.below(150))
        parts.update(Array(bytes[at..<end]))
        at = end
      }
      #expect(parts.finish() == SHA256.hash(bytes), "\(blocks) blocks in parts")
    }
  }

  @Test(arguments: ["", "f", "fo", "foo", "foob", "fooba", "foobar"])
  func base64IsThatOfRFC4648(text: String) {
    let coded = ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"]
    #expect(Base64.text(Array(text.utf8)) == coded[text.utf8.count])
  }

  /// T-13: readings beside deleted ones stay provable when these are gone for good, in frames as in bulk
  /// loads; a leaf of which a row is gone has none.
  @Test func aNeighbourOfARemovedReadingStaysProvable_T13() throws {
    var store = try bench.open()
    try fill(store)
    func neighbours() throws -> [Proof] {
      var proofs: [Proof] = []
      for device in [0, 2, 5, 11] {
        proofs.append(try store.prove(table: 1, device: "d\(device)", probe: 2, time: start + 50_000_000))
      }
      for row in [0, 63, 128, 191, 300, 16_383, 19_999] as [Int64] {
        proofs.append(try store.prove(table: 1, device: "bulk", probe: 1, time: loadStart + row * 50_000_000))
      }
      for event in try store.snapshot().events().prefix(9) { proofs.append(try store.prove(event: event.lsn)) }
      return proofs
    }
    let before = try neighbours()
    func delete(_ device: String, _ probe: Int32, _ times: ClosedRange<Int64>) throws {
      let spans = [SeriesSpans(device: device, probe: probe, times: [times])]
      _ = try store.delete(
        1, spans, extent: store.snapshot().extent(of: 1, spans), actor: StoreBench.actor)
    }
    try delete("d1", 2, start...(start + 3_000_000_000))
    let row = loadStart + 70 * 50_000_000
    try delete("bulk", 1, row...row)
    try store.compact(purges: true)
    let journals = store.snapshot().manifest.journals.filter { $0.content == .leaves }
    #expect(try neighbours() == before)
    for (device, probe, time) in [("d1", 2, start), ("bulk", 1, row)] {
      let error = #expect(throws: StorageError.self) {
        _ = try store.prove(table: 1, device: device, probe: Int32(probe), time: time)
      }
      #expect(error?.code == .notFound)
    }
    let error = #expect(throws: StorageError.self) {
      _ = try store.prove(table: 1, device: "bulk", probe: 1, time: row + 50_000_000)
    }
    #expect(error?.code == .invalid, "of the same leaf")
    // A second delete in the same groups needs no more hashes.
    try delete("d3", 2, start...start)
    try store.compact(purges: true)
    #expect(store.snapshot().manifest.journals.filter { $0.content == .leaves } .count <= journals.count + 2)
    #expect(try neighbours() == before)
    try store.close()
    store = try bench.open()
    #expect(try neighbours() == before)
    let report = try Verify.run(bench.options(readOnly: true), StoreBench.path)
    #expect(report.isWhole, "\(report)")
    try store.close()
    _ = try Salvage.run(bench.options(), from: StoreBench.path, to: "salvaged")
    store = try Store.open("salvaged", bench.options())
    #expect(try neighbours() == before, "salvaged")
  }
}
