import Glibc
import TSEngine

/// `microbench codec [FOLDER] [--sensors N] [--write FILE]`: each column of the real sets in FOLDER (else of
/// `TSQ_REAL_DATA`) and of the benchmark's data, packed and cold: bits a value beside the entropy, and values
/// a second and core of encoding, decoding and counting against a bound; for floats what ALP would take; then
/// texts. What was decoded is compared with what was encoded. FILE gets the tables between its marks.
func codec(_ arguments: [String]) throws {
  var (folder, file, sensors): (String?, String?, Int) = (nil, nil, 10)
  var rest = arguments[...]
  while let argument = rest.popFirst() {
    switch argument {
    case "--write": file = rest.popFirst()
    case "--sensors": sensors = rest.popFirst().flatMap { Int($0) } ?? sensors
    default: folder = argument
    }
  }
  var table = CodecTable()
  for set in ColumnSets.real(folder) + ColumnSets.meters(sensors) { try table.add(set) }
  print(table.markdown)
  let texts = try TextBench.measured()
  print(texts)
  if let file {
    try Document.replace("columns", by: table.markdown, in: file)
    try Document.replace("texts", by: texts, in: file)
  }
}

/// The figures of all columns as Markdown.
struct CodecTable {
  private var lines: [String] = []
  /// Columns that miss a mark, each with its figures.
  private var misses: [String] = []

  mutating func add(_ set: ColumnSet) throws {
    let packed = try CodecRun(set, isCold: false)
    let cold = try CodecRun(set, isCold: true)
    let alp = set.type == .float ? AlpSize.bits(set.blocks) : nil
    var cells = [set.name, "\(set.valueCount)", bits(set.entropy), bits(packed.bits), bits(cold.bits)]
    cells.append(set.entropy.map { $0 < 0.01 ? "" : figure(cold.bits / $0, 2, width: 0) } ?? "")
    cells += [packed.encodeRate, packed.decodeRate, packed.scanRate].map { figure($0, 0, width: 0) }
    cells += [cold.encodeRate, cold.decodeRate].map { figure($0, 0, width: 0) }
    cells += [bits(alp?.alp), bits(alp?.rd)]
    lines.append("| " + cells.joined(separator: " | ") + " |")
    if let entropy = set.entropy, cold.bits > entropy * 1.05, cold.bits - entropy > 0.1 {
      misses.append("- \(set.name): cold \(bits(cold.bits)) bits against an entropy of \(bits(entropy))")
    }
    if let alp, min(alp.alp, alp.rd) < packed.bits {
      misses.append("- \(set.name): packed \(bits(packed.bits)) bits against \(bits(min(alp.alp, alp.rd))) of ALP")
    }
    if cold.decodeRate < 100 {
      misses.append("- \(set.name): the cold form decodes at \(figure(cold.decodeRate, 0, width: 0)) M values/s")
    }
  }

  var markdown: String {
    """
    | column | values | entropy | packed | cold | cold : entropy | packed enc | dec | scan | cold enc | dec | ALP | ALP-RD |
    | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
    \(lines.joined(separator: "\n"))

    Marks missed:

    \(misses.isEmpty ? "- none" : misses.joined(separator: "\n"))
    """
  }

  private func bits(_ value: Double?) -> String { value.map { figure($0, 2, width: 0) } ?? "" }
}

private struct CodecRun {
  /// Bits a value, statistics and block entries left out.
  var bits = 0.0
  /// Million values a second of processor time; decoding counts the opening of the section.
  var encodeRate = 0.0
  var decodeRate = 0.0
  var scanRate = 0.0

  init(_ set: ColumnSet, isCold: Bool) throws {
    var encoder = ColumnEncoder(isCold: isCold)
    var sections: [[UInt8]] = []
    let total = Double(set.valueCount)
    // Small columns several times a run, or the clock's own steps show.
    let repeats = max(1, 200_000 / set.valueCount)
    let encoding = leastCPUSeconds(isCold ? 3 : 7) {
      for _ in 0..<repeats {
        sections.removeAll(keepingCapacity: true)
        var out = ByteWriter()
        for block in set.blocks {
          out.bytes.removeAll(keepingCapacity: true)
          _ = encoder.encode(block.span, type: set.type, into: &out)
          sections.append(out.bytes)
        }
      }
    }
    bits = Double(sections.reduce(0) { $0 + $1.count }) * 8 / total
    encodeRate = total * Double(repeats) / encoding / 1e6

    for (section, block) in zip(sections, set.blocks) {
      let slots = try ColumnSection(section, count: block.count).allSlots()
      precondition(slots == block, "\(set.name): decoded values differ")
    }
    var scratch = [Int64](repeating: 0, count: 1 << 16)
    decodeRate = total * Double(repeats) / 1e6 / (try leastCPUSeconds(9) {
      for _ in 0..<repeats {
        for (bytes, block) in zip(sections, set.blocks) {
          let section = try ColumnSection(bytes, count: block.count)
          var all = scratch.mutableSpan
          var out = all._mutatingExtracting(0..<block.count)
          section.decode(pages: 0..<section.pageCount, into: &out)
        }
      }
    })
    try scan(sections, set, repeats)
  }

  /// Counts what lies at or above the first value of each block.
  private mutating func scan(_ sections: [[UInt8]], _ set: ColumnSet, _ repeats: Int) throws {
    let bounds = set.blocks.map { block in
      (set.type == .float ? FloatOrder.key(bits: block[0]) : block[0])...Int64.max
    }
    let opened = try zip(sections, set.blocks).map { try ColumnSection($0, count: $1.count) }
    var count = 0
    let seconds = leastCPUSeconds(7) {
      count = 0
      for _ in 0..<repeats {
        for (section, bound) in zip(opened, bounds) {
          for page in 0..<section.pageCount {
            count += section.select(page: page, in: bound).nonzeroBitCount
          }
        }
      }
    }
    let expected = zip(set.blocks, bounds).reduce(0) { sum, pair in
      sum + pair.0.count { pair.1.contains(set.type == .float ? FloatOrder.key(bits: $0) : $0) }
    }
    precondition(count == expected * repeats, "\(set.name): counted \(count / repeats), not \(expected)")
    scanRate = Double(set.valueCount * repeats) / seconds / 1e6
  }
}
