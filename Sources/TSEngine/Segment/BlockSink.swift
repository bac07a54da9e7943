/// Where the blocks of series go as they are built: into a file, or into memory until their turn comes.
package protocol BlockSink: ~Copyable {
  /// Takes a block of `key`; keys in order, the blocks of a key in order of (kind, time).
  mutating func append(_ block: BlockBuilder.Built, of key: SeriesKey) throws(StorageError)

  /// Takes rows of `key` that are too few for a block of their own; in the order of blocks.
  mutating func append(
    few rows: RowSet, of key: SeriesKey, _ builder: BlockBuilder
  ) throws(StorageError)
}

/// The blocks of one series, built on any thread.
struct BuiltBlocks: BlockSink {
  enum Part: Sendable {
    case block(BlockBuilder.Built)
    case few(RowSet)
  }

  private(set) var parts: [Part] = []

  mutating func append(_ block: BlockBuilder.Built, of key: SeriesKey) { parts.append(.block(block)) }

  mutating func append(few rows: RowSet, of key: SeriesKey, _ builder: BlockBuilder) {
    parts.append(.few(rows))
  }
}
