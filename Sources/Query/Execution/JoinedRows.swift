/// Pairs of a streaming left side and a held right side, as batches.
final class JoinedRows {
  let batch: Batch
  private let leftCount: Int

  init(_ leftTypes: [SQLType], _ rightTypes: [SQLType]) {
    leftCount = leftTypes.count
    batch = Batch((leftTypes + rightTypes).map { Vector($0) })
  }

  /// Fills the batch with rows of `left` beside rows of `held`; -1 is a row of NULLs.
  /// Precondition: as many of both, at most `Vector.capacity`.
  func gather(_ left: Batch, _ leftRows: [UInt16], _ held: RowStore, _ heldRows: [Int32]) {
    for index in 0..<leftCount {
      batch.columns[index].clearNulls()
      batch.columns[index].isConstant = false
      batch.columns[index].gather(left.columns[index], leftRows)
    }
    gather(held, heldRows)
    batch.count = leftRows.count
    batch.sequence = left.sequence &+ UInt64(leftRows.first ?? 0)
  }

  /// Fills the batch with rows of `held` beside NULLs.
  func gather(unmatched held: RowStore, _ heldRows: [Int32], sequence: UInt64) {
    for index in 0..<leftCount {
      batch.columns[index].isConstant = false
      batch.columns[index].setAllNull()
    }
    gather(held, heldRows)
    batch.count = heldRows.count
    batch.sequence = sequence
  }

  private func gather(_ held: RowStore, _ heldRows: [Int32]) {
    for index in leftCount..<batch.columns.count {
      let vector = batch.columns[index]
      vector.clearNulls()
      for (row, place) in heldRows.enumerated() {
        if place < 0 { vector.setNull(row) } else { held.write(index - leftCount, Int(place), vector, row) }
      }
    }
  }
}
