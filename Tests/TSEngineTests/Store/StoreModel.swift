@testable import TSEngine

/// What a store must hold, kept as a plain dictionary of every version of every row.
struct StoreModel {
  var versions: [RowKey: [Cells]] = [:]

  var visible: [RowKey: Cells] { versions.compactMapValues(\.last) }

  var allVersions: [StoredRow: Int] {
    var all: [StoredRow: Int] = [:]
    for (key, versions) in versions {
      for cells in versions { all[StoredRow(key: key, cells: cells), default: 0] += 1 }
    }
    return all
  }

  /// Takes in what `batch` says, as the store's answer must count it.
  mutating func append(
    _ batch: FrameBatch, now: Int64, symbols: SymbolTable, schema: TableSchema
  ) -> AppendResult {
    var result = AppendResult()
    let texts = Set(schema.columns.filter { $0.type == .symbol || $0.type == .text }.map(\.id))
    for frame in batch.frames {
      for index in frame.runs {
        let run = batch.runs[index]
        for row in 0..<run.times.count {
          let time = run.times.tick(row)
          let isAbsurd = time < 946_684_800_000_000_000 || time > now + 300_000_000_000
          let key = RowKey(
            series: SeriesKey(
              table: isAbsurd ? batch.table.quarantine : batch.table, device: frame.device,
              probe: run.probe),
            time: time)
          var cells: Cells = [:]
          for cell in run.cells {
            let column = batch.cells[cell].column
            guard let slot = batch.slot(column, run: index, row: row) else { continue }
            cells[column] =
              texts.contains(column) ? .text(symbols.text(of: slot) ?? "?") : .int(slot)
          }
          guard let newest = versions[key]?.last else {
            versions[key] = [cells]
            if isAbsurd { result.quarantined += 1 } else { result.new += 1 }
            continue
          }
          if newest == cells {
            result.same += 1
          } else {
            result.conflict += 1
            versions[key]?.append(cells)
          }
        }
      }
    }
    return result
  }
}

/// Makes batches that meet each other: few devices, few seconds, few values.
struct BatchMaker {
  var random: SimRandom
  let start: Int64
  private let second: Int64 = 1_000_000_000

  init(seed: UInt64, start: Int64) {
    random = SimRandom(seed: seed)
    self.start = start
  }

  mutating func batch(_ symbols: SymbolTable) -> FrameBatch {
    var batch = FrameBatch(table: 1)
    for _ in 0...random.below(3) {
      batch.beginFrame(device: "d\(random.below(3))")
      for _ in 0...random.below(3) { addRun(to: &batch, symbols) }
    }
    return batch
  }

  private mutating func addRun(to batch: inout FrameBatch, _ symbols: SymbolTable) {
    let times = times()
    batch.beginRun(probe: Int32(random.below(2)) - (random.below(20) == 0 ? 1000 : 0), times: times)
    let wrong = random.below(5) == 0 ? Int64(random.below(3)) : 0
    let values = (0..<times.count).map { times.tick($0) / 50_000_000 % 97 + wrong }
    switch random.below(4) {
    case 0: break
    case 1: batch.add(1, constant: wrong)
    case 2:
      batch.add(1, values, valid: values.map { $0 % 3 != 0 })
    default: batch.add(1, values)
    }
    switch random.below(4) {
    case 0: batch.add(3, values.map { $0 &* 1_000_003 &+ .max / 2 })
    case 1: batch.add(3, constant: 2300)
    default: break
    }
    switch random.below(6) {
    case 0: batch.add(7, constant: symbols.code(of: "v\(random.below(2))"))
    case 1:
      let codes = ["", "1.0", "ü"].map { symbols.code(of: $0) }
      batch.add(7, values.map { codes[Int(($0 % 3 + 3) % 3)] })
    case 2:
      let code = symbols.code(of: "x")
      batch.add(7, values.map { _ in code }, valid: values.map { $0 % 2 == 0 })
    default: break
    }
  }

  private mutating func times() -> SampleTimes {
    let first = start + Int64(random.below(6)) * second
    switch random.below(12) {
    case 0, 1:
      // Jittered.
      var time = first + Int64(random.below(3)) * 25_000_000
      var instants: [Int64] = []
      for _ in 0...random.below(6) {
        instants.append(time)
        time += [1, 50_000_000, 50_000_001, 700_000_000][random.below(4)]
      }
      return .explicit(instants)
    case 2:
      return .regular(RegularTimes(start: first, span: second, count: [3, 7, 30][random.below(3)])!)
    case 3:
      // Around the future limit, or before the floor, or nowhere.
      let odd: [Int64] = [
        start + 299 * second, 946_684_799 * second, .min + Int64(random.below(9)), -second,
      ]
      return .regular(RegularTimes(start: odd[random.below(4)], span: 2 * second, count: 8)!)
    case 4 where random.below(4) == 0:
      return .explicit([.min, start, .max])
    case 5 where random.below(24) == 0:
      // Enough to close a chunk.
      return .regular(RegularTimes(start: first, span: 60 * second, count: 1_200)!)
    case 6:
      let age = Int64(random.below(40)) * 86_400 * second
      return .regular(RegularTimes(start: first - age, span: second, count: 20)!)
    default:
      return .regular(RegularTimes(start: first, span: second, count: 20)!)
    }
  }
}
