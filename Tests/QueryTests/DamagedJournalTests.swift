import TSEngine
import Testing

@testable import Query

/// R4: while a damaged journal may have said otherwise, SQL tells neither who owned a device nor what there is.
@Suite struct DamagedJournalTests {
  private let actor = Actor(.operator, "ann")
  private let disk = SimDisk(seed: 1)

  private func open(checkpointSegmentLimit: Int = .max) throws -> Store {
    var options = StoreOptions()
    options.checkpointSegmentLimit = checkpointSegmentLimit
    options.maintainsItself = false
    options.reserveByteCount = 4096
    options.disk = disk
    options.clock = SimClock(nanos: 1_700_000_000_000_000_000)
    options.rng = SimRNG(seed: 1)
    return try Store.open("s", options)
  }

  private func append(_ device: String, _ store: Store) throws {
    var batch = FrameBatch(table: 1)
    batch.beginFrame(device: device)
    batch.beginRun(probe: 1, times: .explicit([1_700_000_000_000_000_000]))
    batch.add(1, constant: 5)
    _ = try store.append(batch, creator: actor)
  }

  /// The event of device m is in a damaged journal, that of n came later.
  private func damaged(
    checkpointSegmentLimit: Int = .max
  ) throws -> (store: Store, journal: Manifest.JournalSegment) {
    var store = try open(checkpointSegmentLimit: checkpointSegmentLimit)
    try append("m", store)
    try store.seal()
    let journal = try #require(store.snapshot().manifest.journals.first { $0.content == .registry })
    try store.close()
    disk.damage("s/journal/\(FileNames.journalSegment(journal.id))") { $0[90] ^= 1 }
    store = try open()
    try append("n", store)
    return (store, journal)
  }

  private func rows(_ store: Store, _ sql: String) throws -> [String] {
    try QueryEngine.execute(sql, on: store, actor: actor).rows().map { row in
      row.map { $0.text ?? "NULL" }.joined(separator: "|")
    }
  }

  @Test func theRegistryIsRefusedAndWhatCameLaterAnswers_R4() throws {
    let (store, _) = try damaged()
    for sql in [
      "SELECT count(*) FROM power", "SELECT power FROM power WHERE sensor = 'm'", "SELECT owner FROM power WHERE sensor = 'n'",
      "SELECT * FROM devices", "SELECT * FROM events", "SELECT * FROM associations", "DELETE FROM power WHERE power > 3",
    ] {
      let error = #expect(throws: SQLError.self, "\(sql)") { _ = try rows(store, sql) }
      #expect(error?.message.contains("tsq salvage") == true, "\(sql): \(error?.message ?? "")")
    }
    #expect(try rows(store, "SELECT power FROM power WHERE sensor = 'n'") == ["5"])
  }

  /// Where the registry checkpoint knows what the journal said, the events alone are refused.
  @Test func eventsOfAJournalThatACheckpointCoversAreRefusedAndTheRegistryAnswers_R4() throws {
    let (store, journal) = try damaged(checkpointSegmentLimit: 1)
    #expect(try rows(store, "SELECT device_id FROM devices ORDER BY device_id") == ["m", "n"])
    #expect(try rows(store, "SELECT count(*) FROM power") == ["2"])
    let error = #expect(throws: SQLError.self) { _ = try rows(store, "SELECT * FROM events") }
    #expect(error?.message.contains(FileNames.journalSegment(journal.id)) == true, "\(error?.message ?? "")")
    #expect(error?.message.contains("--around-damage") == true, "\(error?.message ?? "")")
    #expect(store.damages.map(\.file) == [FileNames.journalSegment(journal.id)])
    let around = try QueryEngine.prepare(
      "SELECT DISTINCT device_id FROM events", StoreCatalog(store.snapshot().readingAroundDamage()))
    #expect(try around.rows().map { $0[0].text } == ["n"])
  }
}
