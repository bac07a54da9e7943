import Bench
import Glibc
import Query
import TSEngine

/// `microbench allocations [FILE [--write]]`: how often each part asks for memory, counted by
/// `Benchmarks/allocations.c`, which `Scripts/allocations` preloads. FILE has a threshold a line, by part and
/// build; one that is passed fails the program. Codecs allocate alike in every run; a store's threads do not
/// quite, so that the least of some runs counts and a tenth is left to them. No time is measured.
enum AllocationBench {
  private typealias Counter = @convention(c) () -> Int

  private struct Failure: Error { var reason: String }

  private struct Part {
    var name: String
    var count: Int
    /// Left to threads above the count when a threshold is written.
    var isExact: Bool
  }

  #if DEBUG
    private static let build = "debug"
  #else
    private static let build = "release"
  #endif

  static func run(_ arguments: [String]) throws {
    guard let symbol = dlsym(nil, "tsq_allocation_count") else {
      throw Failure(reason: "nothing counts: run Scripts/allocations")
    }
    let counter = unsafeBitCast(symbol, to: Counter.self)
    let parts = try codecs(counter) + texts(counter) + stores(counter)
    guard let file = arguments.first else {
      for part in parts { print("\(part.name.padded(36))\(part.count)") }
      return
    }
    var thresholds = try read(file)
    if arguments.contains("--write") {
      for part in parts {
        thresholds[part.name, default: [:]][build] = part.isExact ? part.count : part.count + part.count / 10 + 2
      }
      let names = Set(parts.map(\.name))
      try write(thresholds.filter { names.contains($0.key) }, to: file)
      return
    }
    var failures = 0
    for part in parts {
      let threshold = thresholds[part.name]?[build]
      let isPassed = threshold.map { part.count > $0 } ?? true
      let limit = threshold.map { "at most \($0)" } ?? "no threshold: renew them with --write"
      print("\(isPassed ? "FAIL" : "pass") \(part.name.padded(36))\(part.count), \(limit)")
      failures += isPassed ? 1 : 0
    }
    if failures > 0 { exit(1) }
  }

  // MARK: Parts

  private static func count(_ counter: Counter, _ body: () throws -> Void) rethrows -> Int {
    let before = counter()
    try body()
    return counter() - before
  }

  /// A block of 6,000 values: encoded by an encoder that has encoded one before; opened; decoded; scanned.
  private static func codecs(_ counter: Counter) throws -> [Part] {
    var parts: [Part] = []
    for (name, values, type) in columns() {
      for isCold in [false, true] {
        let name = "\(name) \(isCold ? "cold" : "packed")"
        var encoder = ColumnEncoder(isCold: isCold)
        var out = ByteWriter(reserving: 1 << 16)
        func encode() {
          out.bytes.removeAll(keepingCapacity: true)
          _ = encoder.encode(values.span, type: type, into: &out)
        }
        encode()
        parts.append(Part(name: "\(name) encode", count: count(counter, encode), isExact: true))
        var section: ColumnSection?
        let bytes = out.bytes
        let opening = try count(counter) { section = try ColumnSection(bytes, count: values.count) }
        parts.append(Part(name: "\(name) open", count: opening, isExact: true))
        guard let section else { continue }
        var slots = [Int64](repeating: 0, count: values.count)
        let decoding = count(counter) {
          var span = slots.mutableSpan
          section.decode(pages: 0..<section.pageCount, into: &span)
        }
        parts.append(Part(name: "\(name) decode", count: decoding, isExact: true))
        precondition(slots == values, "\(name): decoded values differ")
        let bounds = (type == .float ? FloatOrder.key(bits: values[0]) : values[0])...Int64.max
        var hits = 0
        let scanning = count(counter) {
          for page in 0..<section.pageCount { hits += section.select(page: page, in: bounds).nonzeroBitCount }
        }
        precondition(hits > 0, "the first value is within its bounds")
        parts.append(Part(name: "\(name) scan", count: scanning, isExact: true))
      }
    }
    return parts
  }

  /// A column for each form and page codec of the format.
  private static func columns() -> [(name: String, values: [Int64], type: ColumnType)] {
    let data = MeterData(sensors: 1, seconds: 300, seed: 1)
    let voltage = data.voltage[0].map(Int64.init)
    func floats(_ value: (Int64) -> Double) -> [Int64] {
      voltage.map { Int64(bitPattern: value($0).bitPattern) }
    }
    return [
      ("constant", voltage.map { _ in 50_000_000 }, .int), ("noise", voltage, .int),
      ("load", data.power[0].map(Int64.init), .int),
      ("runs", voltage.indices.map { Int64($0 / 40 % 7) }, .int),
      ("clock", voltage.indices.map { 1_767_225_600_000_000_000 + Int64($0) * 1_000_000_007 }, .int),
      ("wide", voltage.map { $0 &* 0x1E37_79B9_7F4A_7C15 }, .int),
      ("decimal", floats { Double($0) / 10 }, .float), ("double", floats { Double($0).squareRoot() }, .float),
    ]
  }

  private static func texts(_ counter: Counter) throws -> [Part] {
    var parts: [Part] = []
    let texts = (0..<1_000).map { "frame \($0 * 7) of meter \($0 % 90): checksum mismatch" }
    let codes = texts.indices.map(Int64.init)
    for isCold in [false, true] {
      let name = "texts \(isCold ? "cold" : "packed")"
      var encoder = ColumnEncoder(isCold: isCold)
      var out = ByteWriter(reserving: 1 << 17)
      func encode() {
        out.bytes.removeAll(keepingCapacity: true)
        _ = SymbolColumn.encode(codes.span, valid: nil, text: { texts[Int($0)] }, using: &encoder, into: &out)
      }
      encode()
      parts.append(Part(name: "\(name) encode", count: count(counter, encode), isExact: true))
      let bytes = out.bytes
      var byteCount = 0
      let opening = try count(counter) {
        _ = try SymbolColumn(bytes, count: codes.count) {
          byteCount += $0.utf8.count
          return 0
        }
      }
      precondition(byteCount == texts.reduce(0) { $0 + $1.utf8.count }, "texts differ")
      parts.append(Part(name: "\(name) open", count: opening, isExact: true))
    }
    return parts
  }

  /// A commit of 10 sensors, sealing of 20 such commits, bulk append, compaction, opening, a scan by SQL that
  /// decodes, recovery of 20 such commits from the log.
  private static func stores(_ counter: Counter) throws -> [Part] {
    let (sensors, seconds, runs) = (10, 20, 3)
    let data = MeterData(sensors: sensors, seconds: seconds, seed: 1)
    let batches = (0..<seconds).map { IngestBench.frames(data, sensors: 0..<sensors, second: $0) }
    let folder = "microbench-allocations.\(getpid())"
    mkdir(folder, 0o755)
    defer { _ = system("rm -rf '\(folder)'") }
    var least: [(name: String, count: Int)] = []
    func part(_ name: String, _ body: () throws -> Void) throws {
      let found = try count(counter, body)
      if let index = least.firstIndex(where: { $0.name == name }) {
        least[index].count = min(least[index].count, found)
      } else {
        least.append((name, found))
      }
    }
    for run in 0..<runs {
      let path = "\(folder)/stream-\(run)"
      var store = try Store.open(path, SizeBench.options)
      // The first commit declares the devices.
      _ = try store.append(batches[0], creator: Actor(.system, "bench"))
      for batch in batches.dropFirst() {
        try part("store append") { _ = try store.append(batch, creator: Actor(.system, "bench")) }
      }
      try part("store seal") { try store.seal() }
      try part("store compact") { try store.compact(.cold) }
      try store.close()
      try part("store open") { store = try Store.open(path, SizeBench.options) }
      try part("store scan") {
        let rows = try QueryEngine.prepare(
          "SELECT count(*), sum(power) FROM power WHERE power > 100 AND pf < 990", StoreCatalog(store.snapshot())
        ).rows()
        precondition(rows.count == 1, "one row")
      }
      try store.close()
      let torn = "\(folder)/torn-\(run)"
      store = try Store.open(torn, SizeBench.options)
      for batch in batches { _ = try store.append(batch, creator: Actor(.system, "bench")) }
      try store.close()
      try part("store recover") { store = try Store.open(torn, SizeBench.options) }
      try store.close()
      let other = try Store.open("\(folder)/bulk-\(run)", SizeBench.options)
      try part("store bulk append") { _ = try IngestBench.bulk(data, into: other) }
      try other.close()
    }
    return least.map { Part(name: $0.name, count: $0.count, isExact: false) }
  }

  // MARK: The file of thresholds

  /// Lines `part debug release`, tab between; a dash where there is none.
  private static func read(_ file: String) throws -> [String: [String: Int]] {
    guard access(file, F_OK) == 0 else { return [:] }
    var thresholds: [String: [String: Int]] = [:]
    for line in try Document.read(file).split(separator: "\n") where !line.hasPrefix("#") {
      let cells = line.split(separator: "\t")
      guard cells.count == 3 else { throw Failure(reason: "\(file): \(line)") }
      for (build, cell) in zip(["debug", "release"], cells.dropFirst()) {
        thresholds[String(cells[0]), default: [:]][build] = Int(cell)
      }
    }
    return thresholds
  }

  private static func write(_ thresholds: [String: [String: Int]], to file: String) throws {
    guard let out = fopen(file, "w") else { throw Failure(reason: "\(file) cannot be written") }
    fputs("# Allocations: part, at most in a debug build, in a release build. Scripts/allocations --write renews them.\n", out)
    for (name, counts) in thresholds.sorted(by: { $0.key < $1.key }) {
      let cells = ["debug", "release"].map { build in counts[build].map { "\($0)" } ?? "-" }
      fputs("\(name)\t\(cells.joined(separator: "\t"))\n", out)
    }
    fclose(out)
  }
}
