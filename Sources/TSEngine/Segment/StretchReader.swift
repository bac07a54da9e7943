/// Decodes columns of a stretch by pages of 256 rows: page p is rows 256·p ..< 256·(p+1), the
/// last one partial. A value type; one per worker.
package struct StretchReader: Sendable {
  package static let pageRows = 256

  private enum Column: Sendable {
    case absent
    case rows(RowSet.Column)
    case section(BlockReader.Column)
    /// Of a shared block: the stretch's rows begin at `start`.
    case shared(SharedBlock.Column, start: Int)
  }

  private enum LSNs: Sendable {
    case runs([RowSet.LSNRun])
    case block(BlockReader)
  }

  package let rowCount: Int
  private let sampleTimes: SampleTimes
  private let columns: [Column]
  private let lsnSource: LSNs
  /// Of the texts that decoded slots name; they are good as long as this.
  let texts: [TextHold]

  package init(rows: RowSet, columns ids: [ColumnID]) {
    rowCount = rows.count
    sampleTimes = rows.times
    columns = ids.map { rows.column($0).map { .rows($0) } ?? .absent }
    lsnSource = .runs(rows.lsns)
    texts = rows.texts
  }

  init(block: BlockReader, columns ids: [ColumnID]) throws(StorageError) {
    rowCount = block.rowCount
    sampleTimes = try block.times()
    var opened: [Column] = []
    opened.reserveCapacity(ids.count)
    lsnSource = .block(block)
    if let part = block.sharedPart {
      var holds: [TextHold] = []
      for id in ids {
        let own = try part.block.part(id, part.rows, in: block.directory)
        if let hold = own?.texts { holds.append(hold) }
        opened.append(own.map { .shared($0.column, start: $0.start) } ?? .absent)
      }
      columns = opened
      texts = holds
      return
    }
    for id in ids { opened.append(try block.column(id).map { .section($0) } ?? .absent) }
    columns = opened
    texts = opened.compactMap { if case .section(let column) = $0 { column.texts } else { nil } }
  }

  package var pageCount: Int { (rowCount + Self.pageRows - 1) / Self.pageRows }
  package func rowCount(page: Int) -> Int {
    Swift.min(Self.pageRows, rowCount - page * Self.pageRows)
  }

  /// The whole stretch as one regular run, when it is one: then instants need no array.
  package var regularTimes: RegularTimes? {
    if case .regular(let times) = sampleTimes { times } else { nil }
  }

  /// The first row at or after `instant`; `rowCount` when there is none. O(log rows).
  package func firstRow(atOrAfter instant: Int64) -> Int {
    switch sampleTimes {
    case .regular(let times): return times.lowerBound(instant)
    case .explicit(let instants):
      var (low, high) = (0, instants.count)
      while low < high {
        let middle = (low + high) / 2
        if instants[middle] < instant { low = middle + 1 } else { high = middle }
      }
      return low
    }
  }

  /// Instants of `range`, nanoseconds since the epoch, into the first `range.count` slots.
  package func times(_ range: Range<Int>, into out: inout MutableSpan<Int64>) {
    switch sampleTimes {
    case .regular(let times):
      for slot in 0..<range.count { out[slot] = times.tick(range.lowerBound &+ slot) }
    case .explicit(let instants):
      for slot in 0..<range.count { out[slot] = instants[range.lowerBound &+ slot] }
    }
  }

  /// The same value in every row of the stretch, validity aside; nil when it varies.
  package func constant(_ column: Int) -> Int64? {
    switch columns[column] {
    case .absent: return nil
    case .rows(let column):
      if case .constant(let value) = column.content { return value }
      return nil
    case .section(let column):
      guard let value = column.section.constantSlot else { return nil }
      return column.global(value)
    case .shared(let column, let start):
      let value = column.slots[start]
      for row in 1..<rowCount where column.slots[start + row] != value { return nil }
      return column.validity == nil || isAllValid(column, start) ? value : nil
    }
  }

  private func isAllValid(_ column: SharedBlock.Column, _ start: Int) -> Bool {
    column.validityWords(start..<(start + rowCount)) == nil
  }

  /// True when every row of the column is null.
  package func isAllNull(_ column: Int) -> Bool {
    switch columns[column] {
    case .absent: true
    case .rows: false
    case .section(let column): column.section.isAllNull
    case .shared(let column, let start):
      column.validityWords(start..<(start + rowCount))?.allSatisfy { $0 == 0 } ?? false
    }
  }

  /// Bounds that hold for every non-null value of an integer column's page, tight or not; nil when
  /// unknown, or when all are null.
  package func bounds(_ column: Int, page: Int) -> ClosedRange<Int64>? {
    switch columns[column] {
    case .absent: return nil
    case .rows: return constant(column).map { $0...$0 }
    case .section(let column): return column.codes == nil ? column.section.bounds(page: page) : nil
    case .shared: return nil
    }
  }

  /// Slots of whole pages into the first rows of `out`; null rows hold any value.
  package func decode(
    _ column: Int, pages: Range<Int>, into out: inout MutableSpan<Int64>
  ) throws(StorageError) {
    let first = pages.lowerBound * Self.pageRows
    let end = Swift.min(pages.upperBound * Self.pageRows, rowCount)
    guard first < end else { return }
    switch columns[column] {
    case .absent:
      for row in 0..<(end - first) { out[row] = 0 }
    case .rows(let column):
      switch column.content {
      case .values(let slots): for row in first..<end { out[row &- first] = slots[row] }
      case .constant(let value): for row in first..<end { out[row &- first] = value }
      }
    case .shared(let column, let start):
      for row in first..<end { out[row &- first] = column.slots[start &+ row] }
    case .section(let column):
      var part = out._mutatingExtracting(0..<(end - first))
      column.section.decode(pages: pages, into: &part)
      if column.codes != nil {
        for row in 0..<(end - first) { part[row] = column.global(part[row]) }
      }
    }
  }

  /// Bit r%64 of lane r/64 is 1 where row r of the page is not null; nil when none is null.
  /// Bits past the page's rows are 0.
  package func validity(_ column: Int, page: Int) -> SIMD4<UInt64>? {
    switch columns[column] {
    case .absent: return SIMD4(repeating: 0)
    case .rows(let column):
      guard let words = column.validity else { return nil }
      var mask = SIMD4<UInt64>(repeating: 0)
      for word in 0..<4 where page * 4 + word < words.count { mask[word] = words[page * 4 + word] }
      return mask & Self.rowMask(rowCount(page: page))
    case .section(let column):
      return column.section.hasNulls(page: page) ? column.section.validity(page: page) : nil
    case .shared(let column, let start):
      guard column.validity != nil else { return nil }
      let first = start + page * Self.pageRows
      guard let words = column.validityWords(first..<(first + rowCount(page: page))) else { return nil }
      var mask = SIMD4<UInt64>(repeating: 0)
      for word in words.indices { mask[word] = words[word] }
      return mask
    }
  }

  /// Rows of an integer column's page that are not null and lie in `range`, on packed data where
  /// the page's form allows it.
  package func select(
    _ column: Int, page: Int, in range: ClosedRange<Int64>
  ) throws(StorageError) -> SIMD4<UInt64> {
    let count = rowCount(page: page)
    var mask = SIMD4<UInt64>(repeating: 0)
    switch columns[column] {
    case .absent: return mask
    case .section(let opened) where opened.codes == nil:
      return opened.section.select(page: page, in: range)
    case .section, .shared:
      var slots = [Int64](repeating: 0, count: count)
      var span = slots.mutableSpan
      try decode(column, pages: page..<(page + 1), into: &span)
      for row in 0..<count where range.contains(slots[row]) {
        mask[row / 64] |= 1 << UInt64(row % 64)
      }
    case .rows(let column):
      switch column.content {
      case .constant(let value):
        if range.contains(value) { mask = Self.rowMask(count) }
      case .values(let slots):
        for row in 0..<count where range.contains(slots[page * Self.pageRows + row]) {
          mask[row / 64] |= 1 << UInt64(row % 64)
        }
      }
    }
    if let valid = validity(column, page: page) { mask &= valid }
    return mask
  }

  /// The LSN that brought each row of `range`, into the first `range.count` slots.
  package func lsns(_ range: Range<Int>, into out: inout MutableSpan<UInt64>) throws(StorageError) {
    let runs: [RowSet.LSNRun]
    switch lsnSource {
    case .runs(let known): runs = known
    case .block(let block): runs = try block.lsns()
    }
    var run = 0
    for slot in 0..<range.count {
      while runs[run].end <= range.lowerBound + slot { run += 1 }
      out[slot] = runs[run].lsn
    }
  }

  /// The lowest `count` of 256 bits set.
  static func rowMask(_ count: Int) -> SIMD4<UInt64> {
    var mask = SIMD4<UInt64>(repeating: 0)
    for word in 0..<4 {
      let bits = Swift.min(Swift.max(count - word * 64, 0), 64)
      mask[word] = bits == 64 ? .max : (1 << UInt64(bits)) - 1
    }
    return mask
  }
}

extension BlockReader.Column {
  /// The process-wide slot of a section's slot: symbols go through the block's dictionary.
  @inline(__always) func global(_ slot: Int64) -> Int64 {
    guard let codes else { return slot }
    return slot >= 0 && slot < Int64(codes.count) ? codes[Int(slot)] : 0
  }
}
