import TSEngine

/// `microbench codec [sensors] [folder of the real sets]`: each column of the benchmark's data and of the
/// real sets, packed and cold: bits a value, and values a second and core of encoding, decoding and
/// counting against a bound; for floats what ALP would take. What was decoded is compared with what was
/// encoded.
func codec(_ arguments: [String]) throws {
  let sensors = arguments.first.flatMap { Int($0) } ?? 10
  print("bits a value; M values/s of processor time".padded(80))
  print(
    "column".padded(32) + "values    H(diff)   packed    cold" + "  | packed enc   dec   scan"
      + " | cold enc   dec |    ALP ALP-RD")
  for set in ColumnSets.meters(sensors) + ColumnSets.real(arguments.dropFirst().first) {
    let packed = try CodecRun(set, isCold: false)
    let cold = try CodecRun(set, isCold: true)
    print(
      set.name.padded(30) + figure(Double(set.valueCount), 0, width: 8)
        + figure(set.differenceEntropy, 3, width: 10) + figure(packed.bits, 3, width: 9)
        + figure(cold.bits, 3, width: 9) + "  |" + figure(packed.encodeRate, 0, width: 9)
        + figure(packed.decodeRate, 0, width: 7) + figure(packed.scanRate, 0, width: 7) + " |"
        + figure(cold.encodeRate, 0, width: 7) + figure(cold.decodeRate, 0, width: 7) + " |"
        + (set.type == .float ? floats(set) : ""))
  }
}

private func floats(_ set: ColumnSet) -> String {
  let bits = AlpSize.bits(set.blocks)
  return figure(bits.alp, 3, width: 7) + figure(bits.rd, 3, width: 7)
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
    let runs = set.valueCount > 1_000_000 ? 3 : 5
    let encoding = leastCPUSeconds(runs) {
      sections.removeAll(keepingCapacity: true)
      var out = ByteWriter()
      for block in set.blocks {
        out.bytes.removeAll(keepingCapacity: true)
        _ = encoder.encode(block.span, type: set.type, into: &out)
        sections.append(out.bytes)
      }
    }
    let total = Double(set.valueCount)
    bits = Double(sections.reduce(0) { $0 + $1.count }) * 8 / total
    encodeRate = total / encoding / 1e6

    for (section, block) in zip(sections, set.blocks) {
      let slots = try ColumnSection(section, count: block.count).allSlots()
      precondition(slots == block, "\(set.name): decoded values differ")
    }
    var scratch = [Int64](repeating: 0, count: 1 << 16)
    decodeRate = total / 1e6 / (try leastCPUSeconds(runs) {
      for (bytes, block) in zip(sections, set.blocks) {
        let section = try ColumnSection(bytes, count: block.count)
        var all = scratch.mutableSpan
        var out = all._mutatingExtracting(0..<block.count)
        section.decode(pages: 0..<section.pageCount, into: &out)
      }
    })
    try scan(sections, set, runs)
  }

  /// Counts what lies at or above the first value of each block.
  private mutating func scan(_ sections: [[UInt8]], _ set: ColumnSet, _ runs: Int) throws {
    let bounds = set.blocks.map { block in
      (set.type == .float ? FloatOrder.key(bits: block[0]) : block[0])...Int64.max
    }
    let opened = try zip(sections, set.blocks).map { try ColumnSection($0, count: $1.count) }
    var count = 0
    let seconds = leastCPUSeconds(runs) {
      count = 0
      for (section, bound) in zip(opened, bounds) {
        for page in 0..<section.pageCount {
          count += section.select(page: page, in: bound).nonzeroBitCount
        }
      }
    }
    let expected = zip(set.blocks, bounds).reduce(0) { sum, pair in
      sum + pair.0.count { pair.1.contains(set.type == .float ? FloatOrder.key(bits: $0) : $0) }
    }
    precondition(count == expected, "\(set.name): counted \(count), not \(expected)")
    scanRate = Double(set.valueCount) / seconds / 1e6
  }
}
