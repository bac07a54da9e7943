import Bench
import Glibc
import TSEngine

/// One column of a data set, cut into the blocks that a store would make of it.
struct ColumnSet {
  var name: String
  var type: ColumnType
  /// Slots; series one after another.
  var blocks: [[Int64]]
  /// Order-0 entropy of the first differences within blocks, bits a value: the mark for packing. Of decimals
  /// that of the digits; nil for other doubles, which have none.
  var entropy: Double?
  var valueCount: Int { blocks.reduce(0) { $0 + $1.count } }

  init(_ name: String, _ blocks: [[Int64]]) {
    (self.name, type, self.blocks) = (name, .int, blocks)
    entropy = Self.differenceEntropy(blocks)
  }

  /// The same values as doubles.
  func floats(_ name: String, hasMark: Bool, _ value: (Int64) -> Double) -> ColumnSet {
    var set = self
    (set.name, set.type) = (name, .float)
    if !hasMark { set.entropy = nil }
    set.blocks = blocks.map { $0.map { Int64(bitPattern: value($0).bitPattern) } }
    return set
  }

  private static func differenceEntropy(_ blocks: [[Int64]]) -> Double {
    var counts: [Int64: Int] = [:]
    var total = 0
    for block in blocks {
      for (value, before) in zip(block.dropFirst(), block) {
        counts[value &- before, default: 0] += 1
        total += 1
      }
    }
    return counts.values.reduce(0) { $0 - Double($1) * log2(Double($1) / Double(max(total, 1))) }
      / Double(max(total, 1))
  }
}

enum ColumnSets {
  /// The benchmark's data.
  static func meters(_ sensors: Int) -> [ColumnSet] {
    let data = MeterData(sensors: sensors, seconds: 3600, seed: 1)
    return [("power", data.power), ("pf", data.pf), ("voltage", data.voltage)].map { name, series in
      let blocks = series.flatMap { values in
        stride(from: 0, to: values.count, by: 6000).map {
          values[$0..<min($0 + 6000, values.count)].map(Int64.init)
        }
      }
      return ColumnSet("bench \(name)", blocks)
    }
  }

  private static let realSets: [(file: String, name: String, scales: [Double?])] = [
    ("mlperf_power_3ch_1hz", "mlperf", []), ("enf_whu_voltage_20hz", "enf", []),
    ("espresso_1hz", "espresso", []), ("shelby_pmu_30hz", "shelby", []),
    ("mlperf_power_3ch_1hz.native", "native", [10, 10_000, 100, 1000]),
    ("espresso_1hz.native", "espresso native", [100, 100, 100]),
  ]

  /// The measured sets of `given`, else of `TSQ_REAL_DATA`, or of `shared/data` beside or above this folder; none
  /// where there is no such folder. Sets in the resolution of the source come as floats as well.
  static func real(_ given: String? = nil) -> [ColumnSet] {
    let named = given ?? getenv("TSQ_REAL_DATA").map { String(cString: $0) }
    let folders = named.map { [$0] } ?? ["../shared/data", "../../shared/data"]
    guard let folder = folders.first(where: { access($0, R_OK) == 0 }) else {
      print("real sets skipped: no ../shared/data, and TSQ_REAL_DATA is not set")
      return []
    }
    return realSets.flatMap { file, name, scales -> [ColumnSet] in
      let path = "\(folder)/\(file).csv.gz"
      return access(path, R_OK) == 0 ? columns(of: path, name, scales) : []
    }
  }

  private static func columns(
    of path: String, _ name: String, _ scales: [Double?]
  ) -> [ColumnSet] {
    var series: [String: [[Int64?]]] = [:]
    var header: [Substring] = []
    for line in lines(of: path) {
      let cells = line.split(separator: ",", omittingEmptySubsequences: false)
      if header.isEmpty {
        header = cells
        continue
      }
      let key = "\(cells[1]),\(cells[2])"
      if series[key] == nil { series[key] = header.indices.map { _ in [] } }
      for (index, cell) in cells.enumerated() { series[key]?[index].append(Int64(cell)) }
    }
    var sets: [ColumnSet] = []
    for index in [0] + (3..<header.count) {
      var blocks: [[Int64]] = []
      for key in series.keys.sorted() {
        guard let columns = series[key] else { continue }
        let instants = columns[0].map { ($0 ?? 0) * 1_000_000 }
        for cut in BlockGrid.cuts(.explicit(instants)) {
          let block = index == 0 ? Array(instants[cut]) : columns[index][cut].compactMap(\.self)
          if !block.isEmpty { blocks.append(block) }
        }
      }
      if blocks.isEmpty { continue }
      let set = ColumnSet("\(name) \(header[index])", blocks)
      sets.append(set)
      if index >= 3, scales.indices.contains(index - 3), let scale = scales[index - 3] {
        sets.append(set.floats("\(set.name) float", hasMark: true) { Double($0) / scale })
      }
    }
    return sets + computed(sets)
  }

  /// Doubles that are no decimals: what a meter of single precision reports, and what is computed from two
  /// readings.
  private static func computed(_ sets: [ColumnSet]) -> [ColumnSet] {
    func floats(_ ending: String) -> ColumnSet? {
      sets.first { $0.type == .float && $0.name.hasSuffix(ending + " float") }
    }
    func both(
      _ name: String, _ left: String, _ right: String, _ combine: (Double, Double) -> Double
    ) -> ColumnSet? {
      guard var set = floats(left), let other = floats(right) else { return nil }
      (set.name, set.entropy) = (name, nil)
      set.blocks = zip(set.blocks, other.blocks).map { left, right in
        zip(left, right).map { Int64(bitPattern: combine(double($0), double($1)).bitPattern) }
      }
      return set
    }
    let single = ["power_dW", "voltage_cV", "p_cW"].compactMap { floats($0) }.map { set in
      var single = set
      (single.name, single.entropy) = (set.name.dropLast(6) + " float32", nil)
      single.blocks = set.blocks.map { block in
        block.map { Int64(bitPattern: Double(Float(double($0))).bitPattern) }
      }
      return single
    }
    return single
      + [
        both("native voltage x current", "voltage_cV", "current_mA") { $0 * $1 },
        both("espresso native p / s", "p_cW", "s_cVA") { $1 == 0 ? 0 : $0 / $1 },
        both("espresso native sqrt(p2 + q2)", "p_cW", "q_cvar") { ($0 * $0 + $1 * $1).squareRoot() },
      ].compactMap(\.self)
  }

  private static func double(_ slot: Int64) -> Double { Double(bitPattern: UInt64(bitPattern: slot)) }

  private static func lines(of path: String) -> [Substring] {
    guard let pipe = popen("gzip -dc '\(path)'", "r") else { return [] }
    defer { pclose(pipe) }
    return String(decoding: Document.bytes(of: pipe), as: UTF8.self).split(separator: "\n")
  }
}
