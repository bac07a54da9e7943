import Bench
import Glibc
import TSEngine

/// One column of a data set, cut into the blocks that a store would make of it.
struct ColumnSet {
  var name: String
  var type: ColumnType
  /// Slots; series one after another.
  var blocks: [[Int64]]
  var valueCount: Int { blocks.reduce(0) { $0 + $1.count } }

  /// Order-0 entropy of the first differences within blocks, bits a value: the mark for packing.
  var differenceEntropy: Double {
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
      return ColumnSet(name: "bench \(name)", type: .int, blocks: blocks)
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
      var set = ColumnSet(name: "\(name) \(header[index])", type: .int, blocks: [])
      for key in series.keys.sorted() {
        guard let columns = series[key] else { continue }
        let instants = columns[0].map { ($0 ?? 0) * 1_000_000 }
        for cut in BlockGrid.cuts(.explicit(instants)) {
          let block = index == 0 ? Array(instants[cut]) : columns[index][cut].compactMap(\.self)
          if !block.isEmpty { set.blocks.append(block) }
        }
      }
      if set.blocks.isEmpty { continue }
      sets.append(set)
      if index >= 3, scales.indices.contains(index - 3), let scale = scales[index - 3] {
        set.name += " float"
        set.type = .float
        set.blocks = set.blocks.map { block in
          block.map { Int64(bitPattern: (Double($0) / scale).bitPattern) }
        }
        sets.append(set)
      }
    }
    return sets
  }

  private static func lines(of path: String) -> [Substring] {
    guard let pipe = popen("gzip -dc '\(path)'", "r") else { return [] }
    defer { pclose(pipe) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    while true {
      let got = fread(&buffer, 1, buffer.count, pipe)
      if got == 0 { break }
      bytes.append(contentsOf: buffer[..<got])
    }
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n")
  }
}
