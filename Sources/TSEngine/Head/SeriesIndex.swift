import Synchronization

/// The series a store knows, numbered in order of arrival. Numbers live as long as the process;
/// files name series by key.
///
/// A structure of arrays: devices by number with their names in one buffer, series as (device, probe)
/// chained by device, coverage in rows of plain words; no object of its own for any of them.
package struct SeriesIndex: Sendable {
  private static let none = UInt32.max

  private(set) var devices = DeviceNames()
  /// By device: its first series.
  private var firstSeries: [UInt32] = []
  /// By series number.
  private var device: [UInt32] = []
  private var probe: [Int32] = []
  /// The next series of the same device.
  private var next: [UInt32] = []
  private(set) var coverage = CoverageTable()
  func hasRows(_ series: Int) -> Bool { coverage.last(series) != nil }

  /// The newest LSN of this process that brought rows of a series; shorter than the series are where
  /// nothing came to the others.
  private var newestLSNs: [LSN] = []
  private var newestLateLSNs: [LSN] = []

  package init() {}

  package var count: Int { device.count }

  /// Bytes held, roughly. O(1) but for series of several runs.
  package var byteCount: Int {
    devices.byteCount + firstSeries.capacity * 4 + device.capacity * 12 + coverage.byteCount
      + (newestLSNs.capacity + newestLateLSNs.capacity) * 8
  }

  // MARK: Keys and numbers

  package func key(_ number: Int) -> SeriesKey {
    let owner = Int(device[number])
    return SeriesKey(table: devices.table(owner), device: devices.name(owner), probe: probe[number])
  }

  package func table(_ number: Int) -> TableID { devices.table(Int(device[number])) }
  func device(of number: Int) -> Int { Int(device[number]) }
  func probe(of number: Int) -> Int32 { probe[number] }

  /// The number of a series, giving it one when it is new. O(probes of the device).
  package mutating func number(table: TableID, device name: String, probe: Int32) -> Int {
    number(ofDevice: deviceNumber(table, name), probe: probe)
  }

  /// Numbers of the series of a device's probes, in their order, giving new ones where needed.
  /// O(probes): the device is looked up once, and nothing is allocated for known ones.
  package mutating func append(
    numbersOf runs: ArraySlice<FrameBatch.Run>, table: TableID, device name: String,
    to numbers: inout [Int]
  ) {
    let owner = deviceNumber(table, name)
    var at = firstSeries[owner]
    for index in runs.indices {
      let wanted = runs[index].probe
      if at != Self.none, probe[Int(at)] == wanted {
        numbers.append(Int(at))
        at = next[Int(at)]
      } else {
        numbers.append(find(wanted, firstSeries[owner]) ?? add(wanted, owner))
      }
    }
  }

  /// Calls `body` with each run whose series is known, and its number. O(probes): the device is looked
  /// up once, and nothing is allocated.
  package func forEachKnown(
    of runs: ArraySlice<FrameBatch.Run>, table: TableID, device name: String,
    _ body: (FrameBatch.Run, Int) -> Void
  ) {
    guard let owner = existingDevice(table, name) else { return }
    for run in runs {
      if let number = find(run.probe, firstSeries[owner]) { body(run, number) }
    }
  }

  /// The number of a series, or nil when it is unknown. O(probes of the device).
  package func existingNumber(table: TableID, device name: String, probe: Int32) -> Int? {
    existingDevice(table, name).flatMap { find(probe, firstSeries[$0]) }
  }

  /// Numbers of a device's series in `table`. O(probes of the device).
  package func numbers(table: TableID, device name: String) -> [Int] {
    existingDevice(table, name).map { series(ofDevice: $0) } ?? []
  }

  func series(ofDevice owner: Int) -> [Int] {
    var numbers: [Int] = []
    var at = firstSeries[owner]
    while at != Self.none {
      numbers.append(Int(at))
      at = next[Int(at)]
    }
    return numbers
  }

  /// The number of a device, giving it one when it is new. O(1).
  mutating func deviceNumber(_ table: TableID, nameBytes: [UInt8]) -> Int {
    let name = nameBytes.rawSpan
    if let known = devices.number(table, name) { return known }
    firstSeries.append(Self.none)
    return devices.add(table, name)
  }

  /// The number of a device's series, giving it one when it is new. O(probes).
  mutating func number(ofDevice owner: Int, probe: Int32) -> Int {
    find(probe, firstSeries[owner]) ?? add(probe, owner)
  }

  private func existingDevice(_ table: TableID, _ name: String) -> Int? {
    name.withUTF8Bytes { devices.number(table, $0) }
  }

  private mutating func deviceNumber(_ table: TableID, _ name: String) -> Int {
    if let known = existingDevice(table, name) { return known }
    firstSeries.append(Self.none)
    return name.withUTF8Bytes { devices.add(table, $0) }
  }

  /// The series of a probe in the chain from `first` on.
  private func find(_ wanted: Int32, _ first: UInt32) -> Int? {
    var at = first
    while at != Self.none {
      if probe[Int(at)] == wanted { return Int(at) }
      at = next[Int(at)]
    }
    return nil
  }

  private mutating func add(_ probe: Int32, _ owner: Int) -> Int {
    let number = device.count
    device.append(UInt32(owner))
    self.probe.append(probe)
    next.append(Self.none)
    coverage.add()
    var at = firstSeries[owner]
    if at == Self.none {
      firstSeries[owner] = UInt32(number)
      return number
    }
    while next[Int(at)] != Self.none { at = next[Int(at)] }
    next[Int(at)] = UInt32(number)
    return number
  }

  // MARK: Coverage

  /// What is known of the rows of a series at `times`.
  package func check(_ times: SampleTimes, _ series: Int) -> Coverage.Verdict {
    coverage.check(times, series)
  }

  /// The newest LSN of this process that brought rows of a series; 0 when none did.
  package func newestLSN(_ series: Int) -> LSN {
    series < newestLSNs.count ? newestLSNs[series] : 0
  }

  /// The same of rows that did not lie behind all the series had.
  package func newestLateLSN(_ series: Int) -> LSN {
    series < newestLateLSNs.count ? newestLateLSNs[series] : 0
  }

  package mutating func insert(_ times: SampleTimes, series: Int, lsn: LSN) {
    note(lsn, from: times.first, series)
    coverage.insert(times, series)
  }

  package mutating func insert(_ run: Coverage.Run, series: Int, lsn: LSN) {
    note(lsn, from: run.first, series)
    coverage.insert(run, series)
  }

  private mutating func note(_ lsn: LSN, from first: Int64, _ series: Int) {
    if lsn == 0 { return }
    if newestLSNs.count <= series { Self.extend(&newestLSNs, to: count) }
    newestLSNs[series] = max(newestLSNs[series], lsn)
    if let last = coverage.last(series), first <= last {
      if newestLateLSNs.count <= series { Self.extend(&newestLateLSNs, to: count) }
      newestLateLSNs[series] = max(newestLateLSNs[series], lsn)
    }
  }

  private static func extend(_ lsns: inout [LSN], to count: Int) {
    lsns.append(contentsOf: repeatElement(0, count: count - lsns.count))
  }
}

/// The series index behind a lock that is held for one question or one batch, never across I/O.
package final class SeriesCatalog: Sendable {
  private let index = Mutex(SeriesIndex())

  package init() {}

  package func withLock<R: Sendable>(_ body: (inout sending SeriesIndex) -> sending R) -> R {
    index.withLock(body)
  }

  /// Number and coverage of one series.
  package func lookUp(
    table: TableID, device: String, probe: Int32
  ) -> (number: Int, coverage: Coverage) {
    index.withLock { index in
      let number = index.number(table: table, device: device, probe: probe)
      return (number, index.coverage.coverage(number))
    }
  }

  /// The series number of each run of a batch.
  package func numbers(of batch: FrameBatch) -> [Int] {
    index.withLock { index in
      var numbers: [Int] = []
      numbers.reserveCapacity(batch.runs.count)
      for frame in batch.frames {
        index.append(
          numbersOf: batch.runs[frame.runs], table: batch.table, device: frame.device, to: &numbers)
      }
      return numbers
    }
  }

  /// Adds the rows of a batch whose run r is of the series `numbers[r]`; `lsn` is its newest.
  package func insert(_ batch: FrameBatch, series numbers: [Int], lsn: LSN) {
    index.withLock { index in
      for at in batch.runs.indices { index.insert(batch.runs[at].times, series: numbers[at], lsn: lsn) }
    }
  }

  /// Adds rows that `lsn` brought, 0 for those that were there when the store was opened.
  package func insert(_ runs: [(key: SeriesKey, run: Coverage.Run)], lsn: LSN = 0) {
    index.withLock { index in
      for (key, run) in runs {
        let number = index.number(table: key.table, device: key.device, probe: key.probe)
        index.insert(run, series: number, lsn: lsn)
      }
    }
  }
}
