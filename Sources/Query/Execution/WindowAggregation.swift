/// An aggregate function over the frames of a partition. Frames that only grow feed one state; counts, sums
/// and extremes of frames that slide are kept as rows come and go, in O(1) a row; other frames are read anew.
struct WindowAggregation {
  private let partition: WindowPartition
  private let aggregate: Aggregate
  private let bounds: WindowFrameBounds
  /// The arguments of the partition, a batch after the other.
  private let chunks: [[Vector]]

  init(_ partition: WindowPartition, _ aggregate: Aggregate, _ bounds: WindowFrameBounds) {
    self.partition = partition
    self.aggregate = aggregate
    self.bounds = bounds
    let columns = aggregate.arguments.map(partition.column)
    chunks = stride(from: 0, to: partition.count, by: Vector.capacity).map { start in
      // A window of many small partitions has one set of vectors for all of them.
      let vectors = partition.scratch.vectors(columns.map { partition.store.types[$0] }, chunk: start / Vector.capacity)
      return zip(columns, vectors).map { column, vector in
        vector.clearNulls()
        for position in start..<min(start + Vector.capacity, partition.count) {
          partition.store.write(column, partition.row(position), vector, position - start)
        }
        return vector
      }
    }
  }

  func run(into result: WindowColumn) throws(SQLError) {
    if bounds.isGrowing { return try growing(into: result) }
    if bounds.frame.exclusion == nil {
      switch (aggregate.function, aggregate.arguments.first?.type) {
      case (.countRows, _): return try counts(into: result)
      case (.count, _), (.sum, .int), (.average, .int): return try sums(into: result)
      case (.minimum, .int), (.maximum, .int), (.minimum, .timestamp), (.maximum, .timestamp), (.minimum, .float),
        (.maximum, .float):
        return try extremes(into: result)
      default: break
      }
    }
    try anew(into: result)
  }

  private func feed(_ state: AggregateState, _ positions: Range<Int>) {
    var start = positions.lowerBound
    while start < positions.upperBound {
      let chunk = start / Vector.capacity
      let end = min(positions.upperBound, (chunk + 1) * Vector.capacity)
      let base = chunk * Vector.capacity
      state.update(0, chunks[chunk], start - base..<end - base, UInt64(base))
      start = end
    }
  }

  private func makeState() -> AggregateState {
    let state = aggregate.makeState(partition.context)
    state.resize(1)
    return state
  }

  private func growing(into result: WindowColumn) throws(SQLError) {
    let state = makeState()
    var end = 0
    for position in 0..<partition.count {
      let next = bounds.range(position).upperBound
      if position > 0, next == end {
        result.repeatLast()
        continue
      }
      feed(state, end..<next)
      end = next
      try result.append { (vector, row) throws(SQLError) in try state.write(0, aggregate.function, vector, row) }
      if position & 1023 == 0 { try partition.context.checkCancelled() }
    }
  }

  private func anew(into result: WindowColumn) throws(SQLError) {
    var last: [Range<Int>] = []
    var work = 0
    for position in 0..<partition.count {
      let ranges = bounds.ranges(position)
      if position > 0, ranges == last {
        result.repeatLast()
        continue
      }
      let state = makeState()
      for range in ranges {
        feed(state, range)
        work += range.count + 64
      }
      try result.append { (vector, row) throws(SQLError) in try state.write(0, aggregate.function, vector, row) }
      last = ranges
      if work > 1 << 20 {
        try partition.context.checkCancelled()
        work = 0
      }
    }
  }

  private func counts(into result: WindowColumn) throws(SQLError) {
    for position in 0..<partition.count {
      let count = Int64(bounds.range(position).count)
      result.append { $0[$1] = count }
    }
  }

  /// Counts, sums and averages of integers, as differences of sums from the start.
  private func sums(into result: WindowColumn) throws(SQLError) {
    var (sums, counts): ([Int128], [Int]) = ([0], [0])
    for position in 0..<partition.count {
      let vector = chunks[position / Vector.capacity][0]
      let row = position % Vector.capacity
      let isValid = vector.isValid(row)
      sums.append(sums[position] + (isValid ? Int128(vector[row]) : 0))
      counts.append(counts[position] + (isValid ? 1 : 0))
    }
    for position in 0..<partition.count {
      let range = bounds.range(position)
      let count = counts[range.upperBound] - counts[range.lowerBound]
      let sum = sums[range.upperBound] - sums[range.lowerBound]
      try result.append { (vector, row) throws(SQLError) in
        if aggregate.function == .count {
          vector[row] = Int64(count)
        } else if count == 0 {
          vector.setNull(row)
        } else if aggregate.function == .average {
          vector[row] = slot(of: roundedQuotient(sum, Int64(count)))
        } else {
          guard let whole = Int64(exactly: sum) else { throw .integerOverflow() }
          vector[row] = whole
        }
      }
    }
  }

  /// The least or greatest value: those that a later one does not beat wait in a queue (Lemire, 2006).
  /// Both ends of a frame move forward only.
  private func extremes(into result: WindowColumn) throws(SQLError) {
    let isFloat = aggregate.arguments[0].type == .float
    let isMaximum = aggregate.function == .maximum
    func key(_ position: Int) -> Int64? {
      let vector = chunks[position / Vector.capacity][0]
      let row = position % Vector.capacity
      guard vector.isValid(row) else { return nil }
      let key = isFloat ? orderedKey(double(vector[row])) : vector[row]
      return isMaximum ? ~key : key
    }
    var queue: [(position: Int, key: Int64)] = []
    var (first, end) = (0, 0)
    for position in 0..<partition.count {
      let range = bounds.range(position)
      while end < range.upperBound {
        if let key = key(end) {
          while queue.count > first, queue[queue.count - 1].key >= key { queue.removeLast() }
          queue.append((end, key))
        }
        end += 1
      }
      while first < queue.count, queue[first].position < range.lowerBound { first += 1 }
      if first > 4096, first * 2 > queue.count {
        queue.removeFirst(first)
        first = 0
      }
      result.append { vector, row in
        // What is beyond an empty frame waits for later ones.
        guard first < queue.count, range.contains(queue[first].position) else { return vector.setNull(row) }
        let source = chunks[queue[first].position / Vector.capacity][0]
        vector[row] = source[queue[first].position % Vector.capacity]
      }
    }
  }
}

/// Vectors that a window uses again for each partition and each call.
final class WindowScratch {
  private var known: [[SQLType]: [[Vector]]] = [:]

  /// Those of one chunk of rows. Whoever had them before is done with them.
  func vectors(_ types: [SQLType], chunk: Int) -> [Vector] {
    while known[types, default: []].count <= chunk { known[types, default: []].append(types.map { Vector($0) }) }
    return known[types]?[chunk] ?? []
  }
}
