import Synchronization

/// The blocks of a data segment, or the one of a chunk in memory, and where their bytes are. Shared
/// by the readers of all its blocks; loaded when it is asked for and dropped when memory is short
/// (`DirectoryCache`).
package final class BlockDirectory: Sendable {
  /// Sorted by (device, probe).
  package let series: SeriesNames
  /// Their numbers in the store's series index, in the order of `series`.
  package let numbers: [Int32]
  /// Blocks of one series each.
  package let table: BlockTable
  /// Blocks of several series.
  package let shared: SharedBlocks
  /// First block of each series in `table`, and one past the end.
  private let firstBlock: [UInt32]
  /// First member of each series in `shared`, and one past the end; empty when there is none.
  private let firstMember: [UInt32]
  /// Shared blocks that were decoded last: neighbours of a scan need the same one.
  private let decoded = Mutex(Decoded())
  /// The table's columns as they were when the blocks were written; none of a block in memory.
  package let columns: [ColumnSchema]
  package let types: [ColumnID: ColumnType]
  package let symbols: SymbolTable
  package let source: any SectionSource
  /// Added to the LSNs in LSN sections; those of `table` have it already.
  package let baseLSN: LSN

  package init(
    index: SegmentIndex, numbers: [Int32], symbols: SymbolTable, source: any SectionSource,
    baseLSN: LSN
  ) {
    series = index.series
    self.numbers = numbers
    self.symbols = symbols
    self.source = source
    self.baseLSN = baseLSN
    columns = index.columns
    types = Dictionary(
      index.columns.map { ($0.id, $0.type) }, uniquingKeysWith: { first, _ in first })
    table = index.blocks
    firstBlock = index.firstBlock
    shared = index.shared
    firstMember = index.shared.firstMembers(seriesCount: index.series.count)
  }

  /// One block that is not in a file.
  package init(
    memory entry: BlockEntry, types: [ColumnID: ColumnType], symbols: SymbolTable,
    source: any SectionSource
  ) {
    series = SeriesNames()
    numbers = []
    firstBlock = [0]
    firstMember = []
    shared = SharedBlocks()
    var table = BlockTable()
    table.append(entry)
    self.table = table
    columns = []
    self.types = types
    self.symbols = symbols
    self.source = source
    baseLSN = 0
  }

  /// Positions of what a series has: its main blocks in order of time, superseded ones, then its
  /// members of shared blocks in order of time.
  package struct Positions: RandomAccessCollection, Sendable {
    fileprivate let own: Range<Int>
    fileprivate let members: Range<Int>

    package var startIndex: Int { 0 }
    package var endIndex: Int { own.count + members.count }
    package subscript(index: Int) -> Int {
      index < own.count ? own.lowerBound + index : members.lowerBound + index - own.count
    }
  }

  package func blocks(ofSeries series: Int) -> Positions {
    let own = Int(firstBlock[series])..<Int(firstBlock[series + 1])
    guard !firstMember.isEmpty else { return Positions(own: own, members: 0..<0) }
    let base = table.rows.count
    return Positions(
      own: own,
      members: (base + Int(firstMember[series]))..<(base + Int(firstMember[series + 1])))
  }

  /// What there is of single series: blocks, then members of shared blocks.
  package var positions: Range<Int> { 0..<(table.rows.count + shared.memberCount) }

  /// Blocks in the file.
  package var blockCount: Int { table.rows.count + shared.table.rows.count }

  /// Says of the block, or member, at `position` what its index says. O(log shared blocks).
  package func row(_ position: Int) -> BlockTable.Row {
    let own = table.rows.count
    return position < own ? table.rows[position] : shared.row(ofMember: position - own)
  }

  /// As `row`, of all that a series has.
  package func rows(ofSeries series: Int) -> some Sequence<BlockTable.Row> {
    blocks(ofSeries: series).lazy.map { self.row($0) }
  }

  /// The series of what lies at `position`. O(log series).
  package func series(ofBlock position: Int) -> SeriesKey {
    if position >= table.rows.count {
      return series[shared.series(ofMember: position - table.rows.count)]
    }
    var (low, high) = (0, series.count - 1)
    while low < high {
      let middle = (low + high + 1) / 2
      if Int(firstBlock[middle]) <= position { low = middle } else { high = middle - 1 }
    }
    return series[low]
  }

  /// Positions of the members of a shared block.
  package func positions(ofShared block: Int) -> Range<Int> {
    let members = shared.members(ofBlock: block)
    return (table.rows.count + members.lowerBound)..<(table.rows.count + members.upperBound)
  }

  /// The position of `key` in `series`, or nil. O(log series).
  package func series(_ key: SeriesKey) -> Int? { series.firstIndex(of: key) }

  package func reader(_ position: Int) -> BlockReader {
    BlockReader(directory: self, position: position)
  }

  package var rowCount: Int {
    (table.rows + shared.table.rows).reduce(0) { $0 + Int($1.rowCount) }
  }

  /// Whether main blocks of a series overlap in time: they are merged at every read until they
  /// are compacted. O(blocks).
  package var hasOverlaps: Bool {
    for series in series.indices {
      var end = Int64.min
      let main = rows(ofSeries: series).filter { $0.kind == .main }
      for block in main.sorted(by: { $0.firstTime < $1.firstTime }) {
        if block.firstTime <= end { return true }
        end = block.lastTime
      }
    }
    return false
  }

  /// Bytes held, roughly. O(1).
  package var byteCount: Int {
    table.byteCount + shared.byteCount + series.byteCount
      + (firstBlock.count + firstMember.count + numbers.count) * 4 + 512
      + min(Decoded.limit, shared.table.rows.count) * Decoded.byteCountEach
  }

  // MARK: Shared blocks, decoded

  private struct Decoded {
    static let limit = 4
    /// Of some 2,000 rows of three columns with their times and LSNs.
    static let byteCountEach = 80 << 10
    var blocks: [SharedBlock] = []
    var next = 0
  }

  /// A shared block, whose parts are decoded once for all of its members that are read soon after
  /// one another.
  package func sharedBlock(_ block: Int) -> SharedBlock {
    decoded.withLock { decoded in
      if let known = decoded.blocks.first(where: { $0.block == block }) { return known }
      let opened = SharedBlock(block)
      if decoded.blocks.count < Decoded.limit {
        decoded.blocks.append(opened)
      } else {
        decoded.blocks[decoded.next] = opened
        decoded.next = (decoded.next + 1) % Decoded.limit
      }
      return opened
    }
  }
}
