/// Some devices with their series and coverage, in columns: a chunk of the series checkpoint.
struct SeriesColumns: Sendable, Equatable {
  /// By device. Of a name, the bytes it shares with the one before are left out.
  var tables: [Int64] = []
  var sharedCounts: [Int64] = []
  var suffixCounts: [Int64] = []
  var suffixes: [UInt8] = []
  var seriesCounts: [Int64] = []
  /// By series.
  var probes: [Int64] = []
  var runCounts: [Int64] = []
  /// By run of coverage; spans are last − first, modulo 2^64.
  var firsts: [Int64] = []
  var spans: [Int64] = []
  var counts: [Int64] = []
  var numerators: [Int64] = []
  var denominators: [Int64] = []

  private static let integerColumns: [WritableKeyPath<SeriesColumns, [Int64]> & Sendable] = [
    \.tables, \.sharedCounts, \.suffixCounts, \.seriesCounts, \.probes, \.runCounts, \.firsts, \.spans,
    \.counts, \.numerators, \.denominators,
  ]

  init() {}

  mutating func add(_ known: Coverage.Run) {
    // One whose ticks no longer fit 64 bits is said by its ends.
    let run =
      known.isPossible
      ? known : Coverage.Run(irregular: known.first, known.last, count: max(1, known.count))
    firsts.append(run.first)
    spans.append(run.last &- run.first)
    counts.append(Int64(run.count))
    numerators.append(run.stepNumerator)
    denominators.append(run.stepDenominator)
  }

  /// - Throws: `.corrupt` for a run that cannot be.
  func run(_ index: Int) throws(StorageError) -> Coverage.Run {
    let run = Coverage.Run(
      first: firsts[index], last: firsts[index] &+ spans[index], count: Int(counts[index]),
      stepNumerator: numerators[index], stepDenominator: denominators[index])
    guard run.isPossible else { throw StorageError(.corrupt, "impossible run of coverage") }
    return run
  }

  func encode(_ encoder: inout ColumnEncoder) -> [UInt8] {
    var out = ByteWriter()
    for column in Self.integerColumns {
      let values = self[keyPath: column]
      out.varint(values.count)
      for start in stride(from: 0, to: values.count, by: BlockGrid.maxRows) {
        let end = min(start + BlockGrid.maxRows, values.count)
        var section = ByteWriter()
        _ = encoder.encode(values.span.extracting(start..<end), type: .int, into: &section)
        out.varint(section.count)
        out.append(section.bytes)
      }
    }
    out.varint(suffixes.count)
    out.append(suffixes)
    return out.bytes
  }

  /// - Throws: `.corrupt`, `.truncated`; columns that do not fit each other are refused.
  init(decoding payload: [UInt8]) throws(StorageError) {
    var reader = ByteReader(payload.rawSpan)
    for column in Self.integerColumns {
      let count = try reader.count(limit: SeriesCheckpointFormat.countLimit)
      var values: [Int64] = []
      while values.count < count {
        let byteCount = try reader.count(limit: reader.remaining)
        let start = reader.offset
        _ = try reader.take(byteCount)
        values += try ColumnSection(
          payload, in: start..<reader.offset, count: min(BlockGrid.maxRows, count - values.count)
        ).allSlots()
      }
      self[keyPath: column] = values
    }
    let suffixByteCount = try reader.count(limit: reader.remaining)
    suffixes = [UInt8](try reader.take(suffixByteCount))
    guard reader.isAtEnd, fits else { throw StorageError(.corrupt, "columns of series do not fit") }
  }

  private var fits: Bool {
    func adds(_ counts: [Int64], to sum: Int) -> Bool {
      var left = Int64(sum)
      for count in counts {
        guard count >= 0, count <= left else { return false }
        left -= count
      }
      return left == 0
    }
    let byDevice = [sharedCounts.count, suffixCounts.count, seriesCounts.count]
    let byRun = [spans.count, counts.count, numerators.count, denominators.count]
    return byDevice.allSatisfy { $0 == tables.count } && runCounts.count == probes.count
      && byRun.allSatisfy { $0 == firsts.count } && adds(suffixCounts, to: suffixes.count)
      && adds(seriesCounts, to: probes.count) && adds(runCounts, to: firsts.count)
      && tables.allSatisfy { $0 >= 0 && $0 <= Int64(TableID.max) }
      && probes.allSatisfy { Int32(exactly: $0) != nil }
  }
}

extension SeriesIndex {
  /// Devices from `first` on with all their series: at most a chunk's.
  /// - Returns: also the device after the last one.
  func columns(from first: Int) -> (columns: SeriesColumns, end: Int) {
    var columns = SeriesColumns()
    var device = first
    var before: [UInt8] = []
    while device < devices.count, device - first < SeriesCheckpointFormat.chunkDevices,
      columns.firsts.count < SeriesCheckpointFormat.chunkRuns
    {
      let name = devices.withBytes(device) { [UInt8]($0) }
      let shared = zip(name, before).prefix { $0 == $1 }.count
      columns.tables.append(Int64(devices.table(device)))
      columns.sharedCounts.append(Int64(shared))
      columns.suffixCounts.append(Int64(name.count - shared))
      columns.suffixes += name[shared...]
      before = name
      let series = series(ofDevice: device)
      columns.seriesCounts.append(Int64(series.count))
      for number in series {
        columns.probes.append(Int64(probe(of: number)))
        let runs = coverage.coverage(number).runs
        columns.runCounts.append(Int64(runs.count))
        for run in runs { columns.add(run) }
      }
      device += 1
    }
    return (columns, device)
  }

  /// Adds what `columns` holds. On damage a part of it may be added: that is true all the same.
  /// - Throws: `.corrupt`.
  mutating func add(_ columns: SeriesColumns) throws(StorageError) {
    var name: [UInt8] = []
    var (suffix, series, run) = (0, 0, 0)
    for device in columns.tables.indices {
      guard let shared = Int(exactly: columns.sharedCounts[device]), shared >= 0, shared <= name.count else {
        throw StorageError(.corrupt, "a name that shares more than there is")
      }
      name.removeLast(name.count - shared)
      let end = suffix + Int(columns.suffixCounts[device])
      name += columns.suffixes[suffix..<end]
      suffix = end
      guard name.count <= 128 else { throw StorageError(.corrupt, "a name of \(name.count) bytes") }
      let owner = deviceNumber(TableID(columns.tables[device]), nameBytes: name)
      for _ in 0..<Int(columns.seriesCounts[device]) {
        let number = number(ofDevice: owner, probe: Int32(columns.probes[series]))
        for _ in 0..<Int(columns.runCounts[series]) {
          insert(try columns.run(run), series: number, lsn: 0)
          run += 1
        }
        series += 1
      }
    }
  }
}

extension Coverage.Run {
  /// Whether a series can have such a run; false of what damage made.
  var isPossible: Bool {
    guard count > 0, first <= last, stepDenominator > 0, stepNumerator >= 0 else { return false }
    return stepNumerator == 0 ? stepDenominator == 1 : regular?.last == last
  }
}
