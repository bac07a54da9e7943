import Synchronization

/// The series a store knows, numbered in order of arrival. Numbers live as long as the process;
/// files name series by key.
package struct SeriesIndex: Sendable {
  private struct Device: Hashable {
    var table: TableID
    var name: String
  }

  private var probes: [Device: [(probe: Int32, number: Int)]] = [:]
  package private(set) var keys: [SeriesKey] = []
  /// By series number.
  package private(set) var coverage: [Coverage] = []
  /// The newest LSN of this process that brought rows of a series, by number; 0 when none did.
  package private(set) var newestLSN: [LSN] = []
  /// The same of rows that did not lie behind all the series had.
  package private(set) var newestLateLSN: [LSN] = []

  package init() {}

  package var count: Int { keys.count }

  /// The number of a series, giving it one when it is new. O(1).
  package mutating func number(table: TableID, device: String, probe: Int32) -> Int {
    let owner = Device(table: table, name: device)
    if let known = probes[owner]?.first(where: { $0.probe == probe }) { return known.number }
    let number = keys.count
    keys.append(SeriesKey(table: table, device: device, probe: probe))
    coverage.append(Coverage())
    newestLSN.append(0)
    newestLateLSN.append(0)
    probes[owner, default: []].append((probe, number))
    return number
  }

  /// Numbers of the series of a device's probes, in their order, giving new ones where needed.
  /// O(probes): the device is looked up once.
  package mutating func append(
    numbersOf runs: ArraySlice<FrameBatch.Run>, table: TableID, device: String, to numbers: inout [Int]
  ) {
    let known = probes[Device(table: table, name: device)] ?? []
    for (at, index) in runs.indices.enumerated() {
      let probe = runs[index].probe
      if at < known.count, known[at].probe == probe {
        numbers.append(known[at].number)
      } else if let found = known.first(where: { $0.probe == probe }) {
        numbers.append(found.number)
      } else {
        numbers.append(number(table: table, device: device, probe: probe))
      }
    }
  }

  /// The number of a series, or nil when it is unknown. O(1).
  package func existingNumber(table: TableID, device: String, probe: Int32) -> Int? {
    probes[Device(table: table, name: device)]?.first { $0.probe == probe }?.number
  }

  /// Probes of a device in `table` and the numbers of their series. O(1).
  package func series(table: TableID, device: String) -> [(probe: Int32, number: Int)] {
    probes[Device(table: table, name: device)] ?? []
  }

  /// Numbers of a device's series in `table`. O(1).
  package func numbers(table: TableID, device: String) -> [Int] {
    probes[Device(table: table, name: device)]?.map(\.number) ?? []
  }

  package mutating func insert(_ times: SampleTimes, series: Int, lsn: LSN) {
    note(lsn, from: times.first, series)
    coverage[series].insert(times)
  }

  package mutating func insert(_ run: Coverage.Run, series: Int, lsn: LSN) {
    note(lsn, from: run.first, series)
    coverage[series].insert(run)
  }

  private mutating func note(_ lsn: LSN, from first: Int64, _ series: Int) {
    newestLSN[series] = max(newestLSN[series], lsn)
    if let last = coverage[series].last, first <= last {
      newestLateLSN[series] = max(newestLateLSN[series], lsn)
    }
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
      return (number, index.coverage[number])
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
