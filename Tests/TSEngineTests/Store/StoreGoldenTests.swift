import Glibc
import Testing

@testable import TSEngine

/// Fixtures/stores/v1: a store as version 1 wrote it, to be read for ever. `v1.rows` beside it says
/// what is in it. Made once with TSQ_MAKE_FIXTURES=1; a new format gets a new fixture.
@Suite struct StoreGoldenTests {
  static let folder: String = {
    let tests = #filePath.split(separator: "/").dropLast(4).joined(separator: "/")
    return "/\(tests)/Fixtures/stores"
  }()

  private static func options(_ readOnly: Bool) -> StoreOptions {
    var options = StoreBench(seed: 11).options(readOnly: readOnly)
    options.disk = PosixDisk()
    options.createIfMissing = false
    return options
  }

  /// Sealed, compacted, superseded, bulk-loaded, quarantined and unsealed rows, symbols and nulls,
  /// events and messages.
  private static func make(_ path: String) throws {
    var options = options(false)
    options.createIfMissing = true
    let clock = SimClock(nanos: StoreBench.start)
    options.clock = clock
    var maker = BatchMaker(seed: 5, start: StoreBench.start)
    var store = try Store.open(path, options)
    func append(_ count: Int) throws {
      for _ in 0..<count {
        clock.advance(nanos: 7_000_000)
        _ = try store.append(
          maker.batch(store.symbols), creator: StoreBench.actor,
          messages: [ReceivedMessage(device: "d0", interface: "mqtt", topic: "meters/d0")])
      }
    }
    try append(6)
    _ = try store.decide(actor: StoreBench.actor) { $0.createUser("ann", $1) }
    try store.seal()
    try append(6)
    try store.compact()
    try append(4)
    var load = try store.bulkWriter(1, creator: StoreBench.actor)
    try load.append(.power("bulk", at: StoreBench.start, count: 600))
    _ = try load.commit()
    try store.seal()
    try append(5)
    try store.close()
    store = try Store.open(path, options)
    try append(2)
    try store.close()
  }

  /// What a store holds, as text.
  private static func text(_ store: Store) throws -> String {
    var lines: [String] = []
    for (row, count) in try StoreReading.versions(store) {
      let cells = row.cells.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
      let series = row.key.series
      lines.append(
        "\(series.table) \(series.device) \(series.probe) \(row.key.time) \(cells) x\(count)")
    }
    let visible = try StoreReading.rows(store.snapshot())
    for (key, cells) in visible {
      let cells = cells.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
      lines.append("seen \(key.series.table) \(key.series.device) \(key.series.probe) \(key.time) \(cells)")
    }
    lines.sort()
    let digest = StoreReading.digest(store).map { String($0, radix: 16) }.joined(separator: " ")
    lines.append("lsn \(store.durableLSN) digest \(digest)")
    return lines.joined(separator: "\n") + "\n"
  }

  private static func copy(_ disk: PosixDisk, _ from: String, _ to: String) throws {
    try disk.createDirectory(to)
    for name in try disk.list(from) {
      let (source, target) = (FileNames.path(from, name), FileNames.path(to, name))
      if !name.contains(".") && name != FileNames.store {
        try copy(disk, source, target)
        continue
      }
      let file = try disk.open(source, .read)
      let copy = try disk.open(target, .create)
      let bytes = try file.bytes(0..<file.byteCount())
      try copy.write(bytes.rawSpan, at: 0)
      file.close()
      copy.close()
    }
  }

  /// Removes the files of a copy; empty folders stay.
  private static func remove(_ disk: PosixDisk, _ folder: String) throws {
    for name in try disk.list(folder) {
      let path = FileNames.path(folder, name)
      let isFile = name.contains(".") || [FileNames.store, FileNames.lock, FileNames.reserve].contains(name)
      if isFile { try disk.remove(path) } else { try remove(disk, path) }
    }
  }

  @Test func aStoreOfVersion1IsReadForEver() throws {
    let disk = PosixDisk()
    let fixture = "\(Self.folder)/v1"
    if getenv("TSQ_MAKE_FIXTURES") != nil {
      try Self.make(fixture)
      let made = try Store.open(fixture, Self.options(true))
      let text = try Self.text(made)
      let file = try disk.open("\(fixture).rows", .create)
      let bytes = [UInt8](text.utf8)
      try file.write(bytes.rawSpan, at: 0)
      file.close()
      for name in [FileNames.lock, FileNames.reserve] {
        try disk.remove(FileNames.path(fixture, name))
      }
    }
    let file = try disk.open("\(fixture).rows", .read)
    let bytes = try file.bytes(0..<file.byteCount())
    let expected = String(decoding: bytes, as: UTF8.self)
    let base = "/tmp/tsq-golden-\(getpid())"
    let path = "\(base)/store"
    try Self.copy(disk, fixture, path)
    let before = try Verify.run(Self.options(true), path)
    #expect(before.isWhole)
    let read = try Self.text(try Store.open(path, Self.options(true)))
    #expect(read == expected)
    let store = try Store.open(path, Self.options(false))
    #expect(store.damages.isEmpty)
    let written = try Self.text(store)
    #expect(written == expected)
    try store.compact()
    let rows = try StoreReading.rows(store.snapshot())
    #expect(rows.count > 500)
    try store.close()
    let after = try Verify.run(Self.options(true), path)
    #expect(after.isWhole)
    try Self.remove(disk, base)
  }
}
