/// Rows of one series in arrival and time order, either as they came or encoded as a block.
package enum HeadChunk: Sendable {
  case open(OpenRows)
  case block(MemoryBlock)
  /// Part of a block, cut for an older snapshot.
  case rows(RowSet)

  package var firstTime: Int64 {
    switch self {
    case .open(let rows): rows.firstTime
    case .block(let block): block.entry.firstTime
    case .rows(let rows): rows.times.first
    }
  }

  package var byteCount: Int {
    switch self {
    case .open(let rows): rows.byteCount
    case .block(let block): block.byteCount + 512
    case .rows(let rows): rows.count * 8 * (rows.columns.count + 1)
    }
  }

  package var source: Stretch.Source {
    switch self {
    case .open(let rows): .open(rows)
    case .block(let block): .block(block.reader)
    case .rows(let rows): .rows(rows)
    }
  }

  /// The rows that LSNs up to `lsn` brought: all, a prefix, or nil when there are none.
  package func cut(through lsn: LSN) throws(StorageError) -> HeadChunk? {
    switch self {
    case .open(let rows): return rows.prefix(through: lsn).map { .open($0) }
    case .block(let block):
      if block.entry.newestLSN <= lsn { return self }
      if block.entry.oldestLSN > lsn { return nil }
      // The snapshot is older than the encoding of the chunk.
      return try HeadChunk.rows(block.reader.rows()).cut(through: lsn)
    case .rows(let rows):
      let end = rows.lsns.last { $0.lsn <= lsn }?.end ?? 0
      if end == 0 { return nil }
      var prefix = RowAccumulator()
      prefix.append(rows, 0..<end)
      return .rows(prefix.rows())
    }
  }
}
