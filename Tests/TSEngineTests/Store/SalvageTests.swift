import Testing

@testable import TSEngine

/// R16: what is good of a damaged store is copied into a fresh one, with its LSNs and times; what
/// is left behind is named; the damaged store is not touched.
@Suite struct SalvageTests {
  private static let destination = "rescued"

  private static func salvage(
    _ disk: SimDisk
  ) throws -> (report: Salvage.Report, store: Store) {
    let bench = StoreBench(seed: 5, disk: disk)
    let report = try Salvage.run(bench.options(readOnly: true), from: StoreBench.path, to: destination)
    let verified = try Verify.run(bench.options(readOnly: true), destination)
    // Events that are lost go on being told of; all else that is damaged stays behind.
    for damage in verified.damages {
      let isNamed = report.losses.contains { $0.isSame(as: Loss(damage)) }
      #expect(isNamed && FileNames.journalSegmentID(damage.file) != nil, "\(damage)")
    }
    return (report, try Store.open(destination, bench.options()))
  }

  @Test(arguments: [UInt64(4), 1])
  func aWholeStoreIsCopiedWholeWithItsLSNsAndTimes(sharing: UInt64) throws {
    let sample = try StoreDamageTests.sample(.small(sharing))
    let before = sample.disk.allContents()
    let bench = StoreBench(seed: 5, disk: SimDisk(copyOf: sample.disk))
    let original = try bench.openReader()
    let (report, store) = try Self.salvage(sample.disk)
    #expect(report.isWhole, "\(report)")
    #expect(try StoreReading.rows(store.snapshot()) == sample.visible)
    #expect(StoreReading.digest(store) == StoreReading.digest(original))
    #expect(store.durableLSN == original.durableLSN)
    let events = (original.snapshot(), store.snapshot())
    #expect(try events.0.events() == events.1.events())
    for lsn in 1...original.durableLSN {
      #expect(events.0.commitTime(of: lsn) == events.1.commitTime(of: lsn), "lsn \(lsn)")
    }
    #expect(try StoreReading.versions(store).count == sample.versions.values.reduce(0) { $0 + $1.count })
    for (path, bytes) in before { #expect(sample.disk.contents(path) == bytes, "\(path) was changed") }
    #expect(throws: StorageError.self) { _ = try Self.salvage(sample.disk) }
  }

  @Test(arguments: 0..<4, [UInt64(4), 1])
  func whatIsGoodIsCopiedAndWhatIsNotIsNamed(part: Int, sharing: UInt64) throws {
    let sample = try StoreDamageTests.sample(.small(sharing))
    let reader = try StoreBench(seed: 5, disk: SimDisk(copyOf: sample.disk)).openReader()
    var lsns: [RowKey: LSN] = [:]
    for table in [TableID(1), TableID(1).quarantine] {
      for stretch in try reader.snapshot().scan(table).stretches {
        for (key, _, lsn) in try StoreReading.rows(stretch, .power, reader.symbols, "lsns") { lsns[key] = lsn }
      }
    }
    for (index, file) in sample.files.enumerated() where index % 4 == part {
      for bit in stride(from: 9, to: file.byteCount * 8, by: max(1, file.byteCount * 8 / 11)) {
        let disk = SimDisk(copyOf: sample.disk)
        disk.flipBit(file.path, bit)
        let before = disk.allContents()
        let note = "\(file.path) bit \(bit)"
        let (report, store) = try Self.salvage(disk)
        let isLastLog = ["s/log/", "s/manifest/log/"].contains { folder in
          file.path == sample.files.last { $0.path.hasPrefix(folder) }?.path
        }
        let isLastSeal = isLastLog && bit / 8 >= file.byteCount - 4096
        #expect(!report.isWhole || isLastSeal, "\(note): nothing was left behind")
        let rows = try StoreReading.rows(store.snapshot(), note)
        for (key, cells) in rows {
          #expect(sample.versions[key]?.contains(cells) == true, "\(note): wrong value at \(key)")
        }
        for key in sample.visible.keys where rows[key] == nil {
          let lsn = lsns[key] ?? 0
          #expect(report.losses.contains { $0.lsns?.contains(lsn) ?? false }, "\(note): \(key) of lsn \(lsn)")
        }
        for (path, bytes) in before { #expect(disk.contents(path) == bytes, "\(note): \(path) was changed") }
      }
    }
  }

  @Test func aLossIsNamedWithItsTimes() throws {
    let sample = try StoreDamageTests.sample()
    let data = try #require(sample.files.first { $0.path.hasSuffix(".data") })
    let disk = SimDisk(copyOf: sample.disk)
    disk.flipBit(data.path, 8 * 100)
    let report = try Verify.run(StoreBench(seed: 5, disk: disk).options(readOnly: true), StoreBench.path)
    let loss = try #require(report.losses.first)
    #expect(loss.readings != nil && loss.lsns != nil && loss.received != nil, "\(loss)")
    #expect(report.losses.count == report.damages.count)
  }
}
