import Bench
import Glibc
import TSEngine

/// What a fleet of slow or idle series costs: bytes on disk, time to open, resident memory.
///
///     microbench fleet make PATH [series] [minutes] [n]  one row a minute, sealed, compacted; fewer than n
///                                                        rows of a series share blocks
///     microbench fleet segments PATH [series] [segments] one row a series, a sealing a segment
///     microbench fleet open PATH                         in a fresh process: time, memory, a whole scan
///     microbench fleet registry [devices]                memory of the registry alone, its checkpoint
///     microbench fleet events PATH [devices] [events]    a store of registry events: `open` it with REGISTRY, and
///                                                        without it to replay the bare journal
enum FleetBenchmark {
  private static let devicesInABatch = 5_000
  private static let start = MeterData.start
  private static let minuteNanos: Int64 = 60_000_000_000

  static func run(_ arguments: [String]) throws {
    let numbers = arguments.dropFirst(2).compactMap { Int($0) }
    let series = numbers.first ?? 1_000_000
    switch arguments.first {
    case "make" where arguments.count > 1:
      var options = options
      if numbers.count > 2 { options.sharing.rowsBelow = numbers[2] }
      try make(
        arguments[1], devices: series / MeterData.probes, minutes: numbers.count > 1 ? numbers[1] : 5, options)
    case "segments" where arguments.count > 1:
      try makeSegments(
        arguments[1], devices: series / MeterData.probes, segments: numbers.count > 1 ? numbers[1] : 1_000)
    case "open" where arguments.count > 1: try open(arguments[1])
    case "events" where arguments.count > 1:
      try makeEvents(
        arguments[1], devices: numbers.first ?? 1_000_000, events: numbers.count > 1 ? numbers[1] : 10_000_000)
    case "registry": try registry(devices: arguments.count > 1 ? Int(arguments[1]) ?? 333_333 : 333_333)
    default: print("usage: microbench fleet make|segments|open|registry|events …")
    }
  }

  private static func device(_ number: Int) -> String {
    let digits = String(number)
    return "gresystem" + String(repeating: "0", count: max(0, 6 - digits.utf8.count)) + digits
  }

  /// A row of each probe: at the device's own second of the minute, some milliseconds late.
  private static func batch(_ devices: Range<Int>, minute: Int, _ random: inout UInt64) -> FrameBatch {
    var batch = FrameBatch(table: TableSchema.power.id)
    for device in devices {
      batch.beginFrame(device: Self.device(device))
      let late = Int64(next(&random) % 50) * 1_000_000
      let instant = start + Int64(minute) * minuteNanos + Int64(device % 60) * 1_000_000_000 + late
      for probe in 1...Int32(MeterData.probes) {
        batch.beginRun(probe: probe, times: .explicit([instant]))
        batch.add(1, constant: Int64(device % 3000) + Int64(next(&random) % 40))
        batch.add(2, constant: 950 + Int64(next(&random) % 40))
        batch.add(3, constant: 2300 + Int64(next(&random) % 40))
      }
    }
    return batch
  }

  private static func next(_ state: inout UInt64) -> UInt64 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return state >> 33
  }

  /// Nothing happens unasked.
  private static var options: StoreOptions {
    var options = SizeBench.options
    options.maintainsItself = false
    options.headByteLimit = 8 << 30
    return options
  }

  private static func make(
    _ path: String, devices: Int, minutes: Int, _ options: StoreOptions
  ) throws {
    let store = try Store.open(path, options)
    var random: UInt64 = 1
    let began = IngestBench.now()
    var rowCount = 0
    for minute in 0..<minutes {
      for first in stride(from: 0, to: devices, by: devicesInABatch) {
        let batch = batch(first..<min(first + devicesInABatch, devices), minute: minute, &random)
        rowCount += try store.append(batch, creator: Actor(.system, "bench")).new
      }
    }
    precondition(rowCount == devices * MeterData.probes * minutes, "all rows are new")
    print("rows \(rowCount) append_s \(seconds(began)) resident_mb \(residentBytes() >> 20)")
    let sealing = IngestBench.now()
    try store.seal()
    print("seal_s \(seconds(sealing))")
    report("sealed", store, rowCount, devices)
    let compacting = IngestBench.now()
    try store.compact()
    print("compact_s \(seconds(compacting)) resident_mb \(residentBytes() >> 20)")
    report("compacted", store, rowCount, devices)
    try store.close()
  }

  private static func makeSegments(_ path: String, devices: Int, segments: Int) throws {
    let store = try Store.open(path, options)
    var random: UInt64 = 1
    let began = IngestBench.now()
    for segment in 0..<segments {
      let range = (devices * segment / segments)..<(devices * (segment + 1) / segments)
      _ = try store.append(batch(range, minute: 0, &random), creator: Actor(.system, "bench"))
      try store.seal()
    }
    print("segments \(store.snapshot().segments.count) made in \(seconds(began)) s")
    report("sealed", store, devices * MeterData.probes, devices)
    try store.close()
  }

  /// Devices with their codes, then what happens to them: names, fields, owners and no owners again.
  private static func makeEvents(_ path: String, devices: Int, events: Int) throws {
    let store = try Store.open(path, options)
    let began = IngestBench.now()
    let owner = try store.decide(actor: Actor(.system, "bench")) { registry, context in
      registry.createUser("owner", context)
    }.result.get()
    var eventCount = 1
    for first in stride(from: 0, to: devices, by: devicesInABatch) {
      eventCount += try record(store) { registry, context in
        (first..<min(first + devicesInABatch, devices)).flatMap { number in
          registry.createDevice(device(number), type: DeviceType.power, context).events
        }
      }
    }
    var number = 0
    while eventCount < events {
      let first = number
      number += devicesInABatch
      eventCount += try record(store) { registry, context in
        (first..<(first + devicesInABatch)).map { number in
          let id = device(number % devices)
          let kind: EventKind =
            switch number / devices % 4 {
            case 0: .deviceRenamed(device: id, name: "Meter \(number)")
            case 1: .deviceFieldChanged(device: id, field: "floor", value: .int(Int64(number % 40)))
            case 2: .deviceAssociated(device: id, user: owner, previousUser: .parked, via: .admin)
            default: .deviceDissociated(device: id, previousUser: owner)
            }
          return Event(
            id: EventID(high: 3, low: UInt64(number)), recordedAt: max(context.now, registry.lastRecordedAt),
            actor: context.actor, kind: kind)
        }
      }
      if number / devicesInABatch % 20 == 0 { try store.seal() }
    }
    try store.seal()
    let journals = store.snapshot().manifest.journals
    print(
      "events \(eventCount) of \(devices) devices made in \(seconds(began)) s, \(journals.count) journals of "
        + "\(journals.reduce(0) { $0 + $1.byteCount } >> 20) MiB, digest \(store.registry.digest)")
    try store.close()
  }

  private static func record(
    _ store: Store, _ events: @escaping @Sendable (Registry, DecisionContext) -> [Event]
  ) throws -> Int {
    try store.decide(actor: Actor(.system, "bench")) { registry, context in
      let made = events(registry, context)
      return Decision(events: made, result: .success(made.count))
    }.result.get()
  }

  private static func open(_ path: String) throws {
    let before = residentBytes()
    let opening = IngestBench.now()
    let store = try Store.open(path, options)
    let millis = IngestBench.seconds(since: opening) * 1000
    let (resident, peak) = (residentBytes(), peakBytes())
    let series = store.snapshot().series(of: TableSchema.power.id).count
    print(
      "open_ms \(figure(millis, 1, width: 0)) series \(series) segments \(store.snapshot().segments.count) "
        + "resident_mb \(resident >> 20), at most \(peak >> 20), for the store \((resident - before) >> 20), a series "
        + "\((resident - before) / max(1, series)) bytes")
    for _ in 0..<2 { try scan(store) }
    try store.close()
  }

  /// Rows and the sum of a column over all series, page by page: what a query reads.
  private static func scan(_ store: Store) throws {
    let began = IngestBench.now()
    var (rowCount, sum) = (0, Int64(0))
    var slots = [Int64](repeating: 0, count: StretchReader.pageRows)
    for stretch in try store.snapshot().scan(TableSchema.power.id).stretches {
      let reader = try stretch.reader([1])
      for page in 0..<reader.pageCount {
        var span = slots.mutableSpan
        try reader.decode(0, pages: page..<(page + 1), into: &span)
        let count = reader.rowCount(page: page)
        rowCount += count
        for row in 0..<count { sum &+= slots[row] }
      }
    }
    print(
      "scan_s \(seconds(began)) rows \(rowCount) sum \(sum) resident_mb \(residentBytes() >> 20)")
  }

  private static func registry(devices: Int) throws {
    var events: [Event] = []
    for number in 0..<devices {
      let id = device(number)
      events.append(
        Event(
          lsn: LSN(2 * number + 1), id: EventID(high: 1, low: UInt64(number)), recordedAt: start,
          actor: Actor(.system, "bench"), kind: .deviceCreated(device: id, type: "power", name: id)))
      // As the store makes one: with a code.
      let code = AssociationCode(high: UInt64(number) &* 0x9E37_79B9_7F4A_7C15, low: UInt64(number))
      events.append(
        Event(
          lsn: LSN(2 * number + 2), id: EventID(high: 2, low: UInt64(number)), recordedAt: start,
          actor: Actor(.system, "bench"),
          kind: .codeIssued(device: id, code: code, expiresAt: start + 86_400_000_000_000)))
    }
    var before = residentBytes()
    var registry = Registry()
    for event in events { registry.apply(event) }
    print("registry: \((residentBytes() - before) / devices) bytes a device (\(registry.devices.count))")
    let encoding = IngestBench.now()
    let bytes = registry.checkpoint()
    let encodeSeconds = seconds(encoding)
    let digesting = IngestBench.now()
    precondition(registry.digest == registry.digest)
    let digestSeconds = seconds(digesting)
    let decoding = IngestBench.now()
    let decoded = try Registry(checkpoint: bytes.span.bytes, isChecked: true)
    print(
      "checkpoint: \(bytes.count / devices) bytes a device, written in \(encodeSeconds) s, "
        + "read in \(seconds(decoding)) s, two digests \(digestSeconds) s")
    precondition(decoded.devices.count == devices)
  }

  private static func report(_ name: String, _ store: Store, _ rowCount: Int, _ devices: Int) {
    let segments = store.snapshot().segments
    let byteCount = segments.reduce(0) { $0 + $1.byteCount }
    let journals = store.snapshot().manifest.journals.reduce(0) { $0 + $1.byteCount }
    print(
      "\(name): \(figure(Double(byteCount) / Double(rowCount), 2, width: 0)) bytes a row, "
        + "\(byteCount / (devices * MeterData.probes)) a series, \(segments.count) segments; "
        + "journals \(journals / devices) bytes a device")
  }

  private static func seconds(_ began: Int64) -> String {
    figure(IngestBench.seconds(since: began), 2, width: 0)
  }

  /// The most that was resident so far.
  private static func peakBytes() -> Int {
    var usage = rusage()
    return getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 ? usage.ru_maxrss << 10 : 0
  }

  private static func residentBytes() -> Int {
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    guard fgets(&line, 256, file) != nil else { return 0 }
    let fields = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
      .split(separator: " ")
    return fields.count > 1 ? (Int(fields[1]) ?? 0) * 4096 : 0
  }
}
