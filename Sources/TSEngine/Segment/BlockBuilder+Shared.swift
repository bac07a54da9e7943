extension BlockBuilder {
  /// Rows of one series that are too few for a block of their own.
  package struct Few: Sendable {
    /// Its number in the segment.
    package var series: Int
    package var rows: RowSet

    package init(series: Int, rows: RowSet) {
      self.series = series
      self.rows = rows
    }
  }

  /// The shared block of `few`, in order of (series, time): columns over the rows of one behind those
  /// of the other. What a device's probes have in common (instants, LSNs) is said once.
  /// - Precondition: 1 ... `BlockGrid.maxRows` rows, of known columns, with whole steps.
  package mutating func build(_ few: [Few]) -> (block: Built, members: SharedBlocks.Members) {
    var members = SharedBlocks.Members()
    var steps: [Int64] = []
    var before: [Int64] = []
    members.isEven = true
    for part in few {
      let times = part.rows.times
      let instants = (0..<times.count).map { times.tick($0) }
      let (first, last) = (times.first, times.last)
      members.series.append(part.series)
      members.counts.append(instants.count)
      members.firsts.append(first)
      members.spans.append(last - first)
      members.repeats.append(before == instants)
      if before != instants {
        let own = zip(instants, instants.dropFirst()).map { $1 - $0 }
        steps += own
        let isRegular = RegularTimes(few: first, span: last - first, count: instants.count) != nil
        if !isRegular || own.contains(where: { $0 != own[0] }) { members.isEven = false }
      }
      before = instants
    }
    var bytes: [UInt8] = []
    let lsns = few.map { $0.rows.lsnOfEachRow() }
    let all = lsns.joined()
    var entry = BlockEntry(
      series: few.first?.series ?? 0, kind: .main, rowCount: members.counts.reduce(0, +),
      firstTime: members.firsts.min() ?? 0,
      lastTime: zip(members.firsts, members.spans).lazy.map { $0 + $1 }.max() ?? 0,
      oldestLSN: all.min() ?? 0, newestLSN: all.max() ?? 0, columns: [])
    entry.isCold = isCold(entry.lastTime)
    encoder.isCold = entry.isCold
    if !members.isEven {
      scratch.bytes.removeAll(keepingCapacity: true)
      if !steps.isEmpty { _ = encoder.encode(steps.span, type: .int, into: &scratch) }
      entry.timeSection = Self.place(scratch.bytes, in: &bytes)
    }
    if entry.oldestLSN != entry.newestLSN {
      entry.lsnSection = Self.place(SharedLSNs.encode(lsns, &encoder), in: &bytes)
    }
    var ids: [ColumnID] = []
    for column in few.lazy.flatMap(\.rows.columns) where !ids.contains(column.id) { ids.append(column.id) }
    for id in ids.sorted() {
      guard let type = types[id] else { preconditionFailure("a column of the schema") }
      let (slots, valid) = Self.joined(id, few, rowCount: entry.rowCount)
      scratch.bytes.removeAll(keepingCapacity: true)
      let statistics = encode(slots.span, valid.contains(false) ? valid : nil, type)
      entry.columns.append(
        .init(id: id, section: Self.place(scratch.bytes, in: &bytes), statistics: statistics))
    }
    return (Built(entry: entry, bytes: bytes), members)
  }

  /// A column over all rows of `few`.
  private static func joined(
    _ id: ColumnID, _ few: [Few], rowCount: Int
  ) -> (slots: [Int64], valid: [Bool]) {
    var slots: [Int64] = []
    var valid: [Bool] = []
    slots.reserveCapacity(rowCount)
    valid.reserveCapacity(rowCount)
    for part in few {
      let count = part.rows.count
      guard let column = part.rows.column(id) else {
        slots.append(contentsOf: repeatElement(0, count: count))
        valid.append(contentsOf: repeatElement(false, count: count))
        continue
      }
      switch column.content {
      case .constant(let value): slots.append(contentsOf: repeatElement(value, count: count))
      case .values(let values): slots.append(contentsOf: values[..<count])
      }
      if let words = column.validity {
        for row in 0..<count { valid.append(words[row / 64] >> UInt64(row % 64) & 1 == 1) }
      } else {
        valid.append(contentsOf: repeatElement(true, count: count))
      }
    }
    return (slots, valid)
  }
}
