/// Where the blocks of series go as they are built: into a file, or into memory until their turn comes.
package protocol BlockSink: ~Copyable {
  /// Takes a block of `key`; keys in order, the blocks of a key in order of (kind, time).
  mutating func append(_ block: BlockBuilder.Built, of key: SeriesKey) throws(StorageError)
}

/// The blocks of one series, built on any thread.
struct BuiltBlocks: BlockSink {
  private(set) var blocks: [BlockBuilder.Built] = []

  mutating func append(_ block: BlockBuilder.Built, of key: SeriesKey) { blocks.append(block) }
}
