/// A block as it lies in the file, of one series or shared by several: what is whole or damaged as one.
struct StoredBlock {
  let directory: BlockDirectory
  /// What it has of single series.
  let positions: Range<Int>
  let row: BlockTable.Row
  /// Its index among the shared blocks; nil where it is of one series.
  fileprivate let shared: Int?

  /// Of a block of one series.
  var device: String? { shared == nil ? directory.series(ofBlock: positions.lowerBound).device : nil }

  /// Decodes all of it and compares it with what the index says.
  /// - Throws: `.corrupt`, `.truncated`, `.io`.
  func check() throws(StorageError) {
    if let shared {
      try SharedBlock.check(shared, in: directory)
    } else {
      try BlockCheck(directory.reader(positions.lowerBound)).run()
    }
  }
}

extension BlockDirectory {
  /// The blocks of one series, then the shared ones.
  var storedBlocks: some Sequence<StoredBlock> {
    (0..<blockCount).lazy.map { index in
      let own = self.table.rows.count
      if index < own {
        return StoredBlock(
          directory: self, positions: index..<(index + 1), row: self.table.rows[index], shared: nil)
      }
      return StoredBlock(
        directory: self, positions: self.positions(ofShared: index - own),
        row: self.shared.table.rows[index - own], shared: index - own)
    }
  }
}
