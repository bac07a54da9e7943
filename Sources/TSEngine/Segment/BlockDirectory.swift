/// The blocks of a data segment, or the one of a chunk in memory, and where their bytes are. Shared
/// by the readers of all its blocks; loaded when it is asked for and dropped when memory is short
/// (`DirectoryCache`).
package final class BlockDirectory: Sendable {
  /// Sorted by (device, probe).
  package let series: [SeriesKey]
  /// Their numbers in the store's series index, in the order of `series`.
  package let numbers: [Int32]
  package let table: BlockTable
  /// First block of each series in `table`, and one past the end.
  private let firstBlock: [UInt32]
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
  }

  /// One block that is not in a file.
  package init(
    memory entry: BlockEntry, types: [ColumnID: ColumnType], symbols: SymbolTable,
    source: any SectionSource
  ) {
    series = []
    numbers = []
    firstBlock = [0]
    var table = BlockTable()
    table.append(entry)
    self.table = table
    columns = []
    self.types = types
    self.symbols = symbols
    self.source = source
    baseLSN = 0
  }

  /// Positions of a series' blocks: main ones in order of time, then superseded ones.
  package func blocks(ofSeries series: Int) -> Range<Int> {
    Int(firstBlock[series])..<Int(firstBlock[series + 1])
  }

  /// The series of a block of a file. O(log series).
  package func series(ofBlock position: Int) -> SeriesKey {
    var (low, high) = (0, series.count - 1)
    while low < high {
      let middle = (low + high + 1) / 2
      if Int(firstBlock[middle]) <= position { low = middle } else { high = middle - 1 }
    }
    return series[low]
  }

  /// The position of `key` in `series`, or nil. O(log series).
  package func series(_ key: SeriesKey) -> Int? { series.sortedIndex(of: key) }

  package func reader(_ position: Int) -> BlockReader {
    BlockReader(directory: self, position: position)
  }

  package var rowCount: Int { table.rows.reduce(0) { $0 + Int($1.rowCount) } }

  /// Whether main blocks of a series overlap in time: they are merged at every read until they
  /// are compacted. O(blocks).
  package var hasOverlaps: Bool {
    for series in series.indices {
      var end = Int64.min
      for block in table.rows[blocks(ofSeries: series)] where block.kind == .main {
        if block.firstTime <= end { return true }
        end = block.lastTime
      }
    }
    return false
  }

  /// Bytes held, roughly. O(1).
  package var byteCount: Int { table.byteCount + series.count * 96 + 512 }
}
