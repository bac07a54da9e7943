import Testing

@testable import TSEngine

/// The series index in columns says what a dictionary of coverages says.
@Suite struct SeriesIndexTests {
  @Test func aTableOfCoveragesIsAnArrayOfCoverages() {
    for seed in 0..<UInt64(seedCount(200)) {
      var random = SimRandom(seed: seed)
      var table = CoverageTable()
      var model: [Coverage] = []
      for _ in 0..<4 {
        table.add()
        model.append(Coverage())
      }
      var ends = [Int64](repeating: 0, count: 4)
      for step in 0..<60 {
        let series = random.below(4)
        let times = Self.times(&random, from: &ends[series])
        let note = "seed \(seed) step \(step)"
        #expect(table.check(times, series) == model[series].check(times), "\(note)")
        if random.below(8) == 0 {
          let run = Coverage.Run(irregular: times.first, times.last, count: times.count)
          table.insert(run, series)
          model[series].insert(run)
        } else {
          table.insert(times, series)
          model[series].insert(times)
        }
        #expect(table.coverage(series) == model[series], "\(note)")
        #expect(table.last(series) == model[series].last, "\(note)")
      }
    }
  }

  /// Mostly what goes on where the series ended, at one of two rates; some late, some far, some irregular.
  private static func times(_ random: inout SimRandom, from end: inout Int64) -> SampleTimes {
    let start: Int64 =
      switch random.below(6) {
      case 0: Int64(random.below(2_000)) * 1_000_000_000
      case 1: end + Int64(random.below(7_200)) * 1_000_000_000
      default: end
      }
    let (span, count) = [(Int64(1_000_000_000), 20), (1_000_000_000, 3), (60_000_000_000, 1)][random.below(3)]
    guard random.below(4) > 0, let regular = RegularTimes(start: start, span: span, count: count) else {
      end = max(end, start + 7)
      return .explicit([start, start + 5])
    }
    end = max(end, regular.end)
    return .regular(regular)
  }

  @Test func devicesAreFoundByTableAndNameWhateverTheirLength() {
    var names = DeviceNames()
    var model: [String: Int] = [:]
    for number in 0..<5_000 {
      let name = String(repeating: "x", count: number % 129) + "\(number)"
      for table in [TableID(1), 7] {
        let found = name.withUTF8Bytes { names.number(table, $0) }
        #expect(found == nil)
        model["\(table) \(name)"] = name.withUTF8Bytes { names.add(table, $0) }
      }
    }
    for (key, number) in model {
      let parts = key.split(separator: " ")
      let (table, name) = (TableID(parts[0])!, String(parts[1]))
      #expect(name.withUTF8Bytes { names.number(table, $0) } == number)
      #expect(names.name(number) == name && names.table(number) == table)
      #expect(name.withUTF8Bytes { names.number(table + 1, $0) } == nil)
    }
  }

  @Test func numbersOfAFramesRunsComeInTheirOrderAlsoWhereProbesAreNew() {
    var index = SeriesIndex()
    var model: [SeriesKey: Int] = [:]
    var random = SimRandom(seed: 5)
    for _ in 0..<500 {
      let device = "d\(random.below(20))"
      var batch = FrameBatch(table: 1)
      var probes: [Int32] = []
      batch.beginFrame(device: device)
      for _ in 0..<(1 + random.below(4)) {
        let probe = Int32(random.below(6)) - 2
        guard !probes.contains(probe) else { continue }
        probes.append(probe)
        batch.beginRun(probe: probe, times: .explicit([1]))
      }
      var numbers: [Int] = []
      index.append(numbersOf: batch.runs[...], table: 1, device: device, to: &numbers)
      for (probe, number) in zip(probes, numbers) {
        let key = SeriesKey(table: 1, device: device, probe: probe)
        #expect(model[key] == nil || model[key] == number)
        model[key] = number
        #expect(index.key(number) == key)
        #expect(index.existingNumber(table: 1, device: device, probe: probe) == number)
      }
      #expect(Set(index.numbers(table: 1, device: device)).isSuperset(of: numbers))
    }
    #expect(index.count == model.count && Set(model.values).count == model.count)
    #expect(index.existingNumber(table: 2, device: "d1", probe: 1) == nil)
    #expect(index.existingNumber(table: 1, device: "unknown", probe: 1) == nil)
  }

  /// "A million idle series in at most 300 MB": the index's part of it.
  @Test func anIdleSeriesTakesLessThanAHundredAndThirtyBytes() {
    var index = SeriesIndex()
    for device in 0..<20_000 {
      let digits = String(device)
      let name = "gresystem" + String(repeating: "0", count: 6 - digits.count) + digits
      for probe in 1...Int32(3) {
        let number = index.number(table: 1, device: name, probe: probe)
        for minute in 0..<Int64(5) {
          index.insert(.explicit([minute * 60_000_000_000 + Int64(device % 50)]), series: number, lsn: 0)
        }
      }
    }
    #expect(index.byteCount / index.count < 130, "\(index.byteCount / index.count)")
  }
}
