import Testing

@testable import TSEngine

/// Many frames in one request, of which each sender is told by itself (T-03): all new, or nothing is stored.
@Suite struct AppendNewTests {
  private let bench = StoreBench()
  private let start = StoreBench.start

  private func request(_ batch: FrameBatch) -> CommitRequest.AppendRequest {
    CommitRequest.AppendRequest(batch, creator: StoreBench.actor)
  }

  private func stored(_ store: Store) throws -> Int { try StoreReading.rows(store.snapshot()).count }

  @Test func framesThatAreAllNewAreStoredInOneRequest_T03() throws {
    let store = try bench.open()
    var batch = FrameBatch.power("m1", at: start)
    batch.addPower("m1", at: start + 1_000_000_000)
    batch.addPower("m2", at: start, probes: [2])
    let result = try #require(try store.appendNew(request(batch)))
    #expect(result.new == 140 && result.lsn == store.snapshot().lsn)
    #expect((0..<3).map { batch.rowCount(ofFrame: $0) } == [60, 60, 20])
    try store.close()
    #expect(try stored(bench.open()) == 140)
  }

  @Test(arguments: [0, 1, 2, 3, 4]) func aRowThatIsNotNewLeavesNothingOfTheRequest_T03(_ how: Int) throws {
    let store = try bench.open()
    let actor = StoreBench.actor
    _ = try store.append(.power("m1", at: start), creator: actor)
    if how == 1 { try store.seal() }
    var batch = FrameBatch.power("m2", at: start)
    switch how {
    case 0, 1: batch.addPower("m1", at: start + 950_000_000, probes: [1])
    case 2: batch.addPower("m1", at: start, value: 7)
    case 3: batch.addPower("m3", at: start + 1_000_000_000_000_000_000)
    // The same frame twice in one request.
    default: batch.addPower("m2", at: start)
    }
    let before = store.snapshot().lsn
    #expect(try store.appendNew(request(batch)) == nil)
    #expect(store.snapshot().lsn == before && !store.snapshot().registry.devices.contains("m2"))
    #expect(try stored(store) == 60)
    // Nothing of the try stands in the way of the rows.
    #expect(try store.append(.power("m2", at: start), creator: actor).new == 60)
    #expect(try #require(try store.appendNew(request(.power("m2", at: start + 1_000_000_000)))).new == 60)
    try store.close()
  }

  @Test func whatIsWrongWithOneFrameIsThrownAndNothingIsStored() throws {
    let store = try bench.open()
    var batch = FrameBatch.power("m1", at: start)
    batch.addPower("no such id!", at: start)
    let bad = batch
    let error = #expect(throws: StorageError.self) { try store.appendNew(request(bad)) }
    #expect(error?.code == .invalid)
    #expect(try stored(store) == 0)
    try store.close()
  }
}
