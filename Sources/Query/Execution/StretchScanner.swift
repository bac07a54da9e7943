import TSEngine

/// Reads stretches for one worker: decides what a stretch's statistics already say, tests
/// predicates on packed pages, and decodes into a batch only pages with hits.
final class StretchScanner {
  let specification: ScanSpecification
  private let context: ExecutionContext
  /// The reader's columns: value columns of the scan, then those only predicates need.
  private let readerColumns: [ColumnID]
  private let predicateSlots: [Int]
  private let textSlots: [Int]
  let batch: Batch
  private let page = Vector(.int)
  private let lsns = Vector(.int)
  var counters = ScanCounters()
  /// The chunk of eight whole pages that `batch` holds, in dense reading.
  private var loadedChunk: Int?
  private var lastReceived: (lsn: LSN, at: Int64?) = (0, nil)

  /// A stretch that may have rows.
  struct Open {
    let stretch: Stretch
    /// Place of the stretch in the scan.
    let index: Int
    let reader: StretchReader
    /// Rows inside the time bounds.
    let rows: Range<Int>
    /// Predicates that statistics do not settle: reader column and bounds.
    let live: [(slot: Int, range: ClosedRange<Int64>)]
    var sequence: UInt64 { UInt64(index) << 32 }
  }

  init(_ specification: ScanSpecification, _ context: ExecutionContext) {
    self.specification = specification
    self.context = context
    var ids: [ColumnID] = []
    func slot(_ id: ColumnID) -> Int {
      if let index = ids.firstIndex(of: id) { return index }
      ids.append(id)
      return ids.count - 1
    }
    for case .value(let id, _) in specification.columns { _ = slot(id) }
    predicateSlots = specification.ranges.map { slot($0.column) }
    textSlots = specification.texts.map { slot($0.column) }
    readerColumns = ids
    batch = Batch(specification.columns.map { Vector($0.type) })
  }

  private func readerSlot(_ id: ColumnID) -> Int { readerColumns.firstIndex(of: id) ?? 0 }

  /// What statistics say of the predicates: nil when no row can pass, else those still to be tested.
  func undecided(_ stretch: Stretch) -> [Int]? {
    var live: [Int] = []
    for (index, predicate) in specification.ranges.enumerated() {
      guard let known = stretch.statistics(of: predicate.column) else {
        live.append(index)
        continue
      }
      guard let bounds = known.bounds, bounds.overlaps(predicate.range) else { return nil }
      let holds = predicate.range.contains(bounds.lowerBound) && predicate.range.contains(bounds.upperBound)
      if known.nullCount > 0 || !holds { live.append(index) }
    }
    return live
  }

  /// Whether all rows of the stretch lie within the time bounds.
  func isInside(_ stretch: Stretch) -> Bool {
    guard let times = specification.filter.times else { return true }
    return stretch.firstTime >= times.lowerBound && stretch.lastTime < times.upperBound
  }

  /// Opens a stretch; nil when no row of it can pass.
  func open(_ stretch: Stretch, _ index: Int) throws(SQLError) -> Open? {
    guard let undecided = undecided(stretch) else {
      counters.excluded += 1
      return nil
    }
    counters.opened += 1
    loadedChunk = nil
    let reader: StretchReader
    do throws(StorageError) { reader = try stretch.reader(readerColumns) } catch { throw error.sqlError }
    var live = undecided.map { (predicateSlots[$0], specification.ranges[$0].range) }
    for (index, predicate) in specification.texts.enumerated() {
      // The reader has given codes to all its symbols by now: a text without a code is not in it.
      guard let code = context.pool.symbols.existingCode(of: predicate.text) else { return nil }
      live.append((textSlots[index], code...code))
    }
    var rows = 0..<reader.rowCount
    if !isInside(stretch), let times = specification.filter.times {
      let low = reader.firstRow(atOrAfter: times.lowerBound)
      rows = low..<max(low, reader.firstRow(atOrAfter: times.upperBound))
    }
    guard !rows.isEmpty else { return nil }
    setSeries(stretch)
    return Open(stretch: stretch, index: index, reader: reader, rows: rows, live: live)
  }

  /// Fills the columns that are the same throughout a stretch.
  private func setSeries(_ stretch: Stretch) {
    for (index, column) in specification.columns.enumerated() {
      let slot: Int64
      switch column {
      case .device: slot = context.pool.code(of: stretch.series.device)
      case .probe: slot = Int64(stretch.series.probe)
      default: continue
      }
      let vector = batch.columns[index]
      if !vector.isConstant || vector[0] != slot { vector.fill(slot) }
    }
  }

  // MARK: - Pages

  /// Rows of the page that pass time bounds and packed predicates.
  func mask(_ open: Open, page: Int, within rows: Range<Int>) throws(SQLError) -> SIMD4<UInt64> {
    let first = page * StretchReader.pageRows
    let low = max(rows.lowerBound - first, 0)
    let high = min(rows.upperBound - first, open.reader.rowCount(page: page))
    var mask = bits(below: high) & ~bits(below: low)
    for (slot, range) in open.live {
      if let bounds = open.reader.bounds(slot, page: page) {
        if !bounds.overlaps(range) { return SIMD4(repeating: 0) }
        if range.contains(bounds.lowerBound), range.contains(bounds.upperBound) {
          if let valid = open.reader.validity(slot, page: page) { mask &= valid }
          continue
        }
      }
      do throws(StorageError) {
        mask &= try open.reader.select(slot, page: page, in: range)
      } catch {
        throw error.sqlError
      }
      if mask == SIMD4(repeating: 0) { return mask }
    }
    return mask
  }

  private func bits(below count: Int) -> SIMD4<UInt64> {
    var mask = SIMD4<UInt64>(repeating: 0)
    for word in 0..<4 {
      let n = min(max(count - word * 64, 0), 64)
      mask[word] = n == 64 ? .max : (1 << UInt64(n)) - 1
    }
    return mask
  }

  /// Loads chunk `chunk` (eight whole pages) into the batch; nothing when it is there already.
  func loadChunk(_ open: Open, _ chunk: Int) throws(SQLError) {
    guard loadedChunk != chunk else { return }
    loadedChunk = chunk
    let pages = chunk * 8..<min(chunk * 8 + 8, open.reader.pageCount)
    let first = pages.lowerBound * StretchReader.pageRows
    let rows = first..<min(pages.upperBound * StretchReader.pageRows, open.reader.rowCount)
    batch.count = 0
    try append(open, pages: pages, rows: rows)
    batch.sequence = open.sequence &+ UInt64(first)
  }

  /// Appends `rows`, which are all rows of `pages`, to the batch. Precondition: they fit.
  private func append(_ open: Open, pages: Range<Int>, rows: Range<Int>) throws(SQLError) {
    let start = batch.count
    precondition(start + rows.count <= Vector.capacity, "pages fit the batch")
    for (index, column) in specification.columns.enumerated() {
      let vector = batch.columns[index]
      switch column {
      case .device, .probe: continue
      case .time:
        // SAFETY: start + rows.count ≤ capacity; the span does not outlive the vector.
        var span = unsafe MutableSpan(_unsafeStart: vector.slots + start, count: rows.count)
        open.reader.times(rows, into: &span)
      case .value(let id, _):
        try appendValues(open, readerSlot(id), pages, rows, vector, start)
        if vector.type == .text, !vector.isConstant { context.pool.canonicalise(vector, start + rows.count) }
      case .lsn, .receivedAt, .owner: try appendDerived(open, column, rows, vector, start)
      }
    }
    counters.pagesDecoded += pages.count
    counters.rows += rows.count
    batch.count = start + rows.count
  }

  private func appendValues(
    _ open: Open, _ slot: Int, _ pages: Range<Int>, _ rows: Range<Int>, _ vector: Vector, _ start: Int
  ) throws(SQLError) {
    if start == 0 { vector.clearNulls() }
    if start == 0, let value = open.reader.constant(slot), open.reader.validity(slot, page: pages.lowerBound) == nil,
      pages.allSatisfy({ open.reader.validity(slot, page: $0) == nil })
    {
      if !vector.isConstant || vector[0] != value {
        vector.fill(value)
        if vector.type == .text { context.pool.canonicalise(vector, Vector.capacity) }
      }
      return
    }
    vector.isConstant = false
    if open.reader.isAllNull(slot) {
      for row in 0..<rows.count { vector.setNull(start + row) }
      return
    }
    // SAFETY: start + rows.count ≤ capacity; the span does not outlive the vector.
    var span = unsafe MutableSpan(_unsafeStart: vector.slots + start, count: rows.count)
    do throws(StorageError) { try open.reader.decode(slot, pages: pages, into: &span) } catch { throw error.sqlError }
    counters.slotsDecoded += rows.count
    for page in pages {
      guard let valid = open.reader.validity(slot, page: page) else { continue }
      if !vector.hasNulls { vector.beginNulls() }
      let offset = start + (page - pages.lowerBound) * StretchReader.pageRows
      for word in 0..<4 where offset + word * 64 < Vector.capacity {
        if offset % 64 == 0 {
          let count = min(max(start + rows.count - offset - word * 64, 0), 64)
          let unused: UInt64 = count == 64 ? 0 : ~((1 << UInt64(count)) - 1)
          vector.setValidityWord(offset / 64 + word, valid[word] | unused)
        } else {
          var missing = ~valid[word]
          while missing != 0 {
            let row = offset + word * 64 + missing.trailingZeroBitCount
            missing &= missing &- 1
            if row < start + rows.count { vector.setNull(row) }
          }
        }
      }
    }
  }

  /// Columns that are runs: by LSN and by owner.
  private func appendDerived(
    _ open: Open, _ column: ScanColumn, _ rows: Range<Int>, _ vector: Vector, _ start: Int
  ) throws(SQLError) {
    if start == 0 { vector.clearNulls() }
    vector.isConstant = false
    if column == .owner {
      for run in open.ownerRuns(context.catalog, within: rows) {
        let code = run.owner.map { context.pool.code(of: $0) }
        for row in run.rows {
          if let code { vector[start + row - rows.lowerBound] = code } else { vector.setNull(start + row - rows.lowerBound) }
        }
      }
      return
    }
    var numbers = [LSN](repeating: 0, count: rows.count)
    var span = numbers.mutableSpan
    do throws(StorageError) { try open.reader.lsns(rows, into: &span) } catch { throw error.sqlError }
    for (offset, lsn) in numbers.enumerated() {
      if column == .lsn {
        vector[start + offset] = Int64(bitPattern: lsn)
        continue
      }
      if lsn != lastReceived.lsn { lastReceived = (lsn, context.catalog.receivedAt(lsn)) }
      if let at = lastReceived.at { vector[start + offset] = at } else { vector.setNull(start + offset) }
    }
  }

  /// Appends the rows of `mask` to the batch. Precondition: a page's rows still fit.
  func append(_ open: Open, page: Int, _ mask: SIMD4<UInt64>) throws(SQLError) {
    let first = page * StretchReader.pageRows
    let count = open.reader.rowCount(page: page)
    let rows = first..<first + count
    if batch.count == 0 { batch.sequence = open.sequence &+ UInt64(first) }
    loadedChunk = nil
    let start = batch.count
    try append(open, pages: page..<page + 1, rows: rows)
    let kept = (0..<4).reduce(0) { $0 + mask[$1].nonzeroBitCount }
    if kept == count { return }
    for (index, column) in specification.columns.enumerated() where column != .device && column != .probe {
      batch.columns[index].compact(start, count, mask)
    }
    batch.count = start + kept
    counters.rows += kept - count
  }

  /// Pushes the rows of a stretch in batches, the residual predicate not applied. False when the sink had enough.
  func read(_ open: Open, _ sink: Consumer) throws(SQLError) -> Bool {
    batch.count = 0
    let pages = open.rows.lowerBound / StretchReader.pageRows...(open.rows.upperBound - 1) / StretchReader.pageRows
    for page in pages {
      let mask = try mask(open, page: page, within: open.rows)
      if mask == SIMD4(repeating: 0) {
        counters.pagesSkipped += 1
        continue
      }
      if batch.count + StretchReader.pageRows > Vector.capacity {
        if try !sink.consume(batch) { return false }
        batch.count = 0
      }
      try append(open, page: page, mask)
    }
    if batch.count > 0 {
      let goOn = try sink.consume(batch)
      batch.count = 0
      return goOn
    }
    return true
  }
}

extension StretchScanner.Open {
  /// Who owned the rows of `within`, as runs of rows.
  func ownerRuns(_ catalog: any Catalog, within rows: Range<Int>) -> [(rows: Range<Int>, owner: String?)] {
    let runs = catalog.owners(of: stretch.series.device, during: stretch.firstTime..<stretch.lastTime &+ 1)
    var result: [(rows: Range<Int>, owner: String?)] = []
    var row = rows.lowerBound
    for run in runs where row < rows.upperBound {
      let start = min(max(reader.firstRow(atOrAfter: run.times.lowerBound), row), rows.upperBound)
      let end = min(max(reader.firstRow(atOrAfter: run.times.upperBound), start), rows.upperBound)
      if start > row { result.append((row..<start, nil)) }
      if end > start { result.append((start..<end, run.owner)) }
      row = max(row, end)
    }
    if row < rows.upperBound { result.append((row..<rows.upperBound, nil)) }
    return result
  }
}

extension Vector {
  /// Moves the rows of `mask`, counted from `start`, together.
  func compact(_ start: Int, _ count: Int, _ mask: SIMD4<UInt64>) {
    precondition(start + count <= Self.capacity, "rows of a batch")
    if isConstant && !hasNulls { return }
    var target = start
    for word in 0..<4 {
      var rest = mask[word]
      while rest != 0 {
        let row = start + word * 64 + rest.trailingZeroBitCount
        rest &= rest &- 1
        self[target] = self[row]
        if hasNulls {
          let bit: UInt64 = 1 << UInt64(target & 63)
          let old = validityWord(target >> 6)
          setValidityWord(target >> 6, isValid(row) ? old | bit : old & ~bit)
        }
        target += 1
      }
    }
    // Rows appended next start out valid.
    if hasNulls {
      for row in target..<start + count {
        setValidityWord(row >> 6, validityWord(row >> 6) | 1 << UInt64(row & 63))
      }
    }
  }
}
