/// The rows of a stretch within some instants, decoded by the pages that hold them: for readers of
/// a second out of a block of five minutes.
extension Stretch {
  /// Rows within `times`, as readers see them; nil when there are none.
  /// - Throws: `.io`, `.corrupt` when the bytes on disk fail their check.
  /// - Complexity: O(pages that hold them × columns); and the instants of a block that is not regular.
  package func rows(in times: Range<Int64>) throws(StorageError) -> RowSet? { try source.rows(in: times) }
}

extension Stretch.Source {
  func rows(in times: Range<Int64>) throws(StorageError) -> RowSet? {
    switch self {
    case .rows(let rows):
      let range = rows.times.rows(within: times)
      return range.isEmpty ? nil : rows.slice(range)
    case .open(let open):
      guard open.firstTime < times.upperBound, open.lastTime >= times.lowerBound else { return nil }
      return try Stretch.Source.rows(open.rows()).rows(in: times)
    case .block(let block): return try block.rows(in: times)
    case .masked(let source, let mask):
      let rows = try source.rows(in: times).map(mask.applied)
      return rows.map { $0.count > 0 } == true ? rows : nil
    case .merged(let sources, let order):
      var sets: [RowSet] = []
      for source in sources {
        if let rows = try source.rows(in: times) { sets.append(rows) }
      }
      return sets.isEmpty ? nil : RowMerge.winners(sets, order)
    }
  }
}

extension BlockReader {
  fileprivate func rows(in times: Range<Int64>) throws(StorageError) -> RowSet? {
    guard entry.firstTime < times.upperBound, entry.lastTime >= times.lowerBound else { return nil }
    let instants = try self.times()
    let range = instants.rows(within: times)
    guard !range.isEmpty else { return nil }
    let size = StretchReader.pageRows
    let pages = (range.lowerBound / size)..<((range.upperBound + size - 1) / size)
    let window = (pages.lowerBound * size)..<min(pages.upperBound * size, rowCount)
    let ids = columns
    let reader = try StretchReader(block: self, columns: ids)
    var decoded: [RowSet.Column] = []
    for (index, id) in ids.enumerated() where !reader.isAllNull(index) {
      var slots = [Int64](repeating: 0, count: window.count)
      var span = slots.mutableSpan
      try reader.decode(index, pages: pages, into: &span)
      var validity: [UInt64]?
      let masks = pages.map { reader.validity(index, page: $0) }
      if masks.contains(where: { $0 != nil }) {
        validity = masks.flatMap { mask in (0..<4).map { mask?[$0] ?? .max } }
      }
      decoded.append(RowSet.Column(id: id, content: .values(slots), validity: validity))
    }
    var runs: [RowSet.LSNRun] = []
    for run in try lsns() where run.end > window.lowerBound {
      runs.append(RowSet.LSNRun(end: min(run.end, window.upperBound) - window.lowerBound, lsn: run.lsn))
      if run.end >= window.upperBound { break }
    }
    var rows = RowSet(times: instants.rows(window), columns: decoded, lsns: runs)
    rows.texts = reader.texts
    return rows.slice((range.lowerBound - window.lowerBound)..<(range.upperBound - window.lowerBound))
  }
}

extension SampleTimes {
  /// Positions of the instants within `times`. O(log count).
  fileprivate func rows(within times: Range<Int64>) -> Range<Int> {
    let first = firstRow(atOrAfter: times.lowerBound)
    return first..<max(first, firstRow(atOrAfter: times.upperBound))
  }
}
