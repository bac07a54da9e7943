import Testing

@testable import TSEngine

/// Declared tables through the whole store: every type, columns added later, texts that are not kept,
/// checks at the door, dropping.
@Suite struct DeclaredTableTests {
  let bench = StoreBench()
  let start = StoreBench.start
  private let second: Int64 = 1_000_000_000

  private typealias Rows = [(time: Int64, values: [String: DeclaredTable.Value])]

  /// Values at the edges of each type, and nulls.
  private func edges() -> Rows {
    let floats: [UInt64] = [
      0x7FF8_0000_0000_0001, 0xFFF0_0000_DEAD_BEEF, 0x7FF0_0000_0000_0001, (-0.0).bitPattern, 0,
      Double.infinity.bitPattern, (-Double.infinity).bitPattern, Double.leastNonzeroMagnitude.bitPattern,
      Double.greatestFiniteMagnitude.bitPattern, (0.1).bitPattern, (21.5).bitPattern,
    ]
    let ints: [Int64] = [.min, .max, 0, -1, 1, .min + 1, .max - 1, 1 << 62, (1 << 62) + 1, 42, -42]
    let long = String(repeating: "ä", count: (1 << 15))
    let texts = [
      "", "a\u{0}b", "\u{0}", long, "é", "e\u{301}", "one", "two", "\n\r\t\"',", "🌡️", "NULL",
    ]
    var rows: Rows = []
    for index in floats.indices {
      var values: [String: DeclaredTable.Value] = [
        "i": .int(ints[index]), "f": .float(floats[index]), "b": .bool(index % 3 == 0),
        "s": .text(index % 2 == 0 ? "" : "é"), "t": .text(texts[index]),
      ]
      // Each column is null somewhere, one row has a single value.
      if index == 4 { values = ["f": .float(floats[index])] }
      if index == 7 { values["i"] = nil }
      if index == 9 { values["t"] = nil }
      rows.append((start + Int64(index) * second, values))
    }
    return rows
  }

  private func bytes(_ rows: [RowKey: Cells], _ table: DeclaredTable) -> [[UInt8]] {
    rows.sorted { $0.key < $1.key }.map { row in
      guard case .text(let text)? = row.value[table.id("t")] else { return [] }
      return Array(text.utf8)
    }
  }

  @Test func everyTypeComesBackBitForBitFromEverywhere_D01_D02() throws {
    var store = try bench.open()
    let table = try DeclaredTable(store, "lab", DeclaredTable.everyType)
    let rows = edges()
    let batch = table.batch("d", rows, in: store.symbols)
    #expect(try store.append(batch, creator: StoreBench.actor).new == rows.count)
    var expected: [RowKey: Cells] = [:]
    for row in rows { expected[table.key("d", row.time)] = table.cells(row.values) }
    let texts = rows.map { row -> [UInt8] in
      guard case .text(let text)? = row.values["t"] else { return [] }
      return Array(text.utf8)
    }
    for step in 0..<6 {
      let note = "step \(step)"
      if step == 1 || step == 3 || step == 5 {
        try store.close()
        store = try bench.open()
      }
      if step == 2 { try store.seal() }
      if step == 4 { try store.compact(.cold) }
      let found = try StoreReading.rows(store.snapshot(), note)
      #expect(found == expected, "\(note)")
      #expect(bytes(found, table) == texts, "\(note): texts byte for byte")
      // A retransmission is known, wherever the first is; one changed bit or normal form is not.
      let again = try store.append(table.batch("d", rows, in: store.symbols))
      #expect(again.same == rows.count, "\(note): \(again)")
      if step < 5 { continue }
      let changed: Rows = [(rows[3].time, rows[3].values.merging(["f": .double(0)]) { $1 })]
      #expect(try store.append(table.batch("d", changed, in: store.symbols)).conflict == 1)
      let accent: Rows = [(rows[5].time, rows[5].values.merging(["t": .text("é")]) { $1 })]
      #expect(try store.append(table.batch("d", accent, in: store.symbols)).conflict == 1)
    }
    try store.compact()
    #expect(StoreReading.digest(store) == store.snapshot().registry.digest)
    try store.close()
    #expect(try Verify.run(bench.options(readOnly: true), StoreBench.path).isWhole)
  }

  /// A million distinct texts must not stay: held are those of rows in memory alone.
  @Test func textsGoWithTheirRowsAndSymbolsStay_D01() throws {
    let store = try bench.open()
    let table = try DeclaredTable(store, "notes", [DeclaredTable.column("t", .text)])
    let symbolCount = store.symbols.texts().count
    var number = 0
    for _ in 0..<20 {
      let rows: Rows = (0..<500).map { _ in
        number += 1
        return (start - 100_000 * second + Int64(number) * second, ["t": .text("text \(number)")])
      }
      _ = try store.append(table.batch("d", rows, in: store.symbols), creator: StoreBench.actor)
    }
    #expect(store.symbols.heldTextCount <= number)
    try store.seal()
    #expect(store.symbols.heldTextCount == 0, "sealed texts are on disk")
    #expect(store.symbols.texts().count == symbolCount, "no text became a symbol")
    #expect(try StoreReading.rows(store.snapshot()).count == number)
    #expect(store.symbols.heldTextCount == 0, "a reader gives back what it read")
    var load = try store.bulkWriter(table.schema.id, creator: StoreBench.actor)
    for part in 0..<4 {
      let rows: Rows = (0..<300).map { row in
        (start + Int64(part * 300 + row) * 1_000_000, ["t": .text("load \(part) \(row)")])
      }
      try load.append(table.batch("e", rows, in: store.symbols))
    }
    #expect(try load.commit().new == 1200)
    try store.compact()
    #expect(store.symbols.heldTextCount == 0)
    let rows = try StoreReading.rows(store.snapshot())
    #expect(rows[table.key("e", start + 899 * 1_000_000)] == [table.id("t"): .text("load 2 299")])
  }

  /// What readers in other processes see is what the log witnesses.
  private func witness(_ store: Store) {
    bench.clock.advance(nanos: 100_000_000)
    _ = store.maintain()
  }

  /// D-03: old rows read null for the new column wherever they are; nothing is rewritten for it.
  @Test func aColumnAddedLaterIsNullInOlderRowsWhereverTheyAre_D03() throws {
    var store = try bench.open()
    var table = try DeclaredTable(store, "weather", [DeclaredTable.column("a", .int)])
    var expected: [RowKey: Cells] = [:]
    func append(_ at: Int64, _ values: [String: DeclaredTable.Value]) throws {
      let rows: Rows = (0..<40).map { (start + (at * 100 + Int64($0)) * 1_000_000, values) }
      let result = try store.append(
        table.batch("d", rows, in: store.symbols), creator: StoreBench.actor)
      #expect(result.new == 40)
      for row in rows { expected[table.key("d", row.time)] = table.cells(values) }
    }
    func expectAll(_ note: String, _ store: Store) throws {
      let found = try StoreReading.rows(store.snapshot(), note)
      #expect(found == expected, "\(note)")
    }
    try append(0, ["a": .int(1)])
    try store.compact()
    try append(1, ["a": .int(2)])
    try store.seal()
    try append(2, ["a": .int(3)])
    let snapshot = store.snapshot()
    witness(store)
    let reader = try bench.openReader()
    let before = expected
    let files = bench.disk.allContents().filter { $0.key.contains("/data/") }
    try table.add(DeclaredTable.column("t", .text), store)
    for (path, bytes) in files { #expect(bench.disk.contents(path) == bytes, "\(path) was rewritten") }
    try expectAll("declared", store)
    try append(3, ["a": .int(4), "t": .text("new")])
    try append(4, ["t": .text("alone")])
    try table.add(DeclaredTable.column("f", .float), store)
    try append(5, ["f": .double(1.5), "t": .text("both")])
    try expectAll("head", store)
    #expect(try StoreReading.rows(snapshot) == before, "a snapshot keeps its schema")
    #expect(try StoreReading.rows(reader.snapshot()) == before, "so does a reader")
    try reader.close()
    witness(store)
    let later = try bench.openReader()
    try expectAll("a later reader", later)
    try later.close()
    let moment = store.durableLSN
    try store.close()
    store = try bench.open()
    try expectAll("log replayed", store)
    try store.seal()
    try expectAll("sealed", store)
    try store.compact()
    try expectAll("schemas merged", store)
    try append(6, ["a": .int(9), "f": .double(-0.0)])
    #expect(
      try StoreReading.rows(store.snapshot().asKnown(at: moment)).count == 240, "AS KNOWN AT")
    try store.close()
    #expect(try Verify.run(bench.options(readOnly: true), StoreBench.path).isWhole)
    _ = try Salvage.run(bench.options(readOnly: true), from: StoreBench.path, to: "rescued")
    let rescued = try Store.open("rescued", bench.options())
    try expectAll("salvaged", rescued)
  }

  @Test func aFrameMayNameOnlyWhatItsTableHas_D03() throws {
    let store = try bench.open()
    let table = try DeclaredTable(store, "weather", [DeclaredTable.column("a", .int)])
    var batch = FrameBatch(table: table.schema.id)
    batch.beginFrame(device: "d")
    batch.beginRun(probe: 1, times: .explicit([start]))
    batch.add(7, constant: 1)
    do throws(StorageError) {
      _ = try store.append(batch, creator: StoreBench.actor)
      Issue.record("stored a column that nobody declared")
    } catch {
      #expect(error.code == .invalid && error.reason.contains("[0].weather"))
    }
    #expect(try StoreReading.rows(store.snapshot()).isEmpty)
    #expect(!store.registry.devices.contains("d"), "nothing is left of a refused frame")
  }

  @Test func boundsRequiredAndJSONAreCheckedAtTheDoor_D01() throws {
    let store = try bench.open()
    var needed = DeclaredTable.column("n", .int)
    needed.isRequired = true
    var json = DeclaredTable.column("j", .text)
    json.isJSON = true
    let low = Int64(bitPattern: (-80.0).bitPattern)
    let high = Int64(bitPattern: (80.0).bitPattern)
    let table = try DeclaredTable(
      store, "weather",
      [
        DeclaredTable.column("temperature", .float, low, high), DeclaredTable.column("up", .int, 0),
        DeclaredTable.column("down", .float, nil, high), needed, json,
      ])
    func outcome(_ values: [String: DeclaredTable.Value], _ bulk: Bool) -> String {
      let rows: Rows = [(start, ["n": .int(1)]), (start + second, values)]
      let batch = table.batch("d", rows, in: store.symbols)
      do throws(StorageError) {
        if bulk {
          var load = try store.bulkWriter(table.schema.id, creator: StoreBench.actor)
          try load.append(batch)
        } else {
          _ = try store.append(batch, creator: StoreBench.actor)
        }
        return ""
      } catch {
        return error.code == .invalid ? error.reason : "\(error)"
      }
    }
    for bulk in [true, false] {
      let n = ["n": DeclaredTable.Value.int(1)]
      func with(_ name: String, _ value: DeclaredTable.Value) -> [String: DeclaredTable.Value] {
        n.merging([name: value]) { $1 }
      }
      #expect(outcome(with("temperature", .double(80.1)), bulk) == "[0].weather.temperature[1] is out of range: -80.0 to 80.0")
      #expect(outcome(with("temperature", .double(.nan)), bulk).contains("temperature[1] is out of range"))
      #expect(outcome(with("temperature", .double(-.infinity)), bulk).contains("out of range"))
      #expect(outcome(with("up", .int(-1)), bulk) == "[0].weather.up[1] is out of range: at least 0")
      #expect(outcome(with("down", .double(80.5)), bulk).hasSuffix("at most 80.0"))
      #expect(outcome(["up": .int(1)], bulk) == "[0].weather.n[1] is required")
      #expect(outcome(with("j", .text("{\"a\":[1,2,}")), bulk) == "[0].weather.j[1] is no JSON")
      #expect(outcome(with("j", .text(String(repeating: "1", count: 65_537))), bulk).contains("longer than 64 KiB"))
    }
    #expect(try StoreReading.rows(store.snapshot()).isEmpty)
    let good: [String: DeclaredTable.Value] = [
      "temperature": .double(-80), "up": .int(.max), "down": .double(-.infinity), "n": .int(.min),
      "j": .text(#" {"a": [1, -2.5e3, "x\u0041", null, true], "b": {}} "#),
    ]
    #expect(outcome(good, false) == "")
    #expect(try StoreReading.rows(store.snapshot())[table.key("d", start + second)] == table.cells(good))
  }

  @Test func eventsOfTablesKeepTheirBytes_D03_T11() throws {
    let envelope =
      "0908070605040302011118171615141312111900002a36fe9c9717206328063209646973636f766572793a0c0803"
      + "1203742f311a0377687942057265712d31"
    let dropped = EventSamples.event(.tableDropped(table: 16, rows: 101, bytes: 5000))
    #expect(Hex.text(try Journal.encode(dropped)) == envelope + "82070708101065188827")
    #expect(try Journal.decodeEvent(Journal.encode(dropped).span.bytes, lsn: 7) == dropped)
    var column = DeclaredTable.column("j", .text)
    (column.id, column.isRequired, column.isJSON) = (1, true, true)
    let schema = TableSchema(id: 16, name: "w", columns: [column], defaultSpanNanos: 1)
    let declared = EventSamples.event(.typeDeclared(schema: schema, label: ""))
    #expect(Hex.text(try Journal.encode(declared)).contains("0801" + "12016a" + "1805" + "5001" + "5801"))
    #expect(try Journal.decodeEvent(Journal.encode(declared).span.bytes, lsn: 7) == declared)
  }

  @Test func whatIsDeclaredStaysAndMakesSense_D01_D03() throws {
    let store = try bench.open()
    let table = try DeclaredTable(store, "weather", [DeclaredTable.column("a", .int)])
    #expect(table.schema.id == Types.firstDeclaredTable && table.schema.columns[0].id == 1)
    func refusal(_ columns: [ColumnSchema], _ name: String = "weather") throws -> Refusal? {
      let outcome = try store.decide(actor: StoreBench.actor) {
        $0.declareType(name, columns: columns, defaultSpanNanos: 1, $1)
      }
      if case .failure(let refusal) = outcome.result { return refusal }
      return nil
    }
    #expect(try refusal([DeclaredTable.column("a", .float)]) == .incompatibleType)
    #expect(try refusal([]) == .invalidValue)
    #expect(try refusal([DeclaredTable.column("x", .int, 5, 4)], "other") == .invalidValue)
    #expect(try refusal([DeclaredTable.column("x", .text, 1)], "other") == .invalidValue)
    var json = DeclaredTable.column("x", .int)
    json.isJSON = true
    #expect(try refusal([json], "other") == .invalidValue)
  }
}
