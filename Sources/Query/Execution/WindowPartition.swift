/// One partition of a window, sorted: its rows by position from 0.
struct WindowPartition {
  /// Rows of the store, in order.
  let rows: ArraySlice<Int>
  /// Positions at which groups of equal rows (peers) start.
  let peers: [Int]
  let store: RowStore
  /// The column of the store in which the arguments begin.
  let firstArgument: Int
  let arguments: [BoundExpr]
  let order: [SortOrder]
  let context: ExecutionContext
  let scratch: WindowScratch
  /// The group of peers of each position.
  let groupOf: [Int]

  init(
    rows: ArraySlice<Int>, peers: [Int], store: RowStore, firstArgument: Int, arguments: [BoundExpr],
    order: [SortOrder], context: ExecutionContext, scratch: WindowScratch
  ) {
    self.scratch = scratch
    self.rows = rows
    self.peers = peers
    self.store = store
    self.firstArgument = firstArgument
    self.arguments = arguments
    self.order = order
    self.context = context
    var groupOf: [Int] = []
    groupOf.reserveCapacity(rows.count)
    for group in peers.indices {
      let end = group + 1 < peers.count ? peers[group + 1] : rows.count
      for _ in peers[group]..<end { groupOf.append(group) }
    }
    self.groupOf = groupOf
  }

  var count: Int { rows.count }
  func row(_ position: Int) -> Int { rows[rows.startIndex + position] }
  func peerStart(_ group: Int) -> Int { peers[group] }
  func peerEnd(_ group: Int) -> Int { group + 1 < peers.count ? peers[group + 1] : count }

  func column(_ argument: BoundExpr) -> Int { firstArgument + (arguments.firstIndex(of: argument) ?? 0) }

  /// Appends the result of each position to `result`.
  /// - Throws: 22014 for ntile, 22016 for nth_value below 1; what aggregates throw; 57014.
  func evaluate(_ call: WindowCall, into result: WindowColumn) throws(SQLError) {
    switch call.function {
    case .rowNumber: for position in 0..<count { result.append { $0[$1] = Int64(position + 1) } }
    case .rank: for position in 0..<count { result.append { $0[$1] = Int64(peerStart(groupOf[position]) + 1) } }
    case .denseRank: for position in 0..<count { result.append { $0[$1] = Int64(groupOf[position] + 1) } }
    case .percentRank:
      for position in 0..<count {
        let share = count > 1 ? Double(peerStart(groupOf[position])) / Double(count - 1) : 0
        result.append { $0[$1] = slot(of: share) }
      }
    case .cumeDist:
      for position in 0..<count {
        result.append { $0[$1] = slot(of: Double(peerEnd(groupOf[position])) / Double(count)) }
      }
    case .ntile: try ntile(call, into: result)
    case .lag, .lead: try shifted(call, into: result)
    case .firstValue, .lastValue, .nthValue: try chosen(call, into: result)
    case .aggregate(let function):
      let aggregate = Aggregate(function: function, arguments: call.arguments)
      try WindowAggregation(self, aggregate, WindowFrameBounds(self, call.frame)).run(into: result)
    }
  }

  /// An integer argument at `position`; nil is NULL.
  private func integer(_ argument: BoundExpr, _ position: Int) -> Int64? {
    let column = column(argument)
    return store.isValid(column, row(position)) ? store.slots[column][row(position)] : nil
  }

  private func copy(_ column: Int, _ position: Int, _ result: WindowColumn) {
    result.append { store.write(column, row(position), $0, $1) }
  }

  private func ntile(_ call: WindowCall, into result: WindowColumn) throws(SQLError) {
    guard count > 0 else { return }
    guard let buckets = integer(call.arguments[0], 0) else {
      for _ in 0..<count { result.append { $0.setNull($1) } }
      return
    }
    guard buckets > 0 else {
      throw SQLError(SQLState("22014"), "ntile takes a positive number of buckets")
    }
    let total = Int64(count)
    // The first `rest` buckets hold one row more.
    let (size, rest) = (total / buckets, total % buckets)
    for position in 0..<total {
      let large = rest * (size + 1)
      let bucket = position < large ? position / (size + 1) : rest + (position - large) / max(size, 1)
      result.append { $0[$1] = bucket + 1 }
    }
  }

  private func shifted(_ call: WindowCall, into result: WindowColumn) throws(SQLError) {
    let value = column(call.arguments[0])
    for position in 0..<count {
      guard let offset = integer(call.arguments[1], position) else {
        result.append { $0.setNull($1) }
        continue
      }
      let (target, overflow) = call.function == .lag
        ? Int64(position).subtractingReportingOverflow(offset) : Int64(position).addingReportingOverflow(offset)
      if !overflow, target >= 0, target < Int64(count) {
        copy(value, Int(target), result)
      } else if call.arguments.count > 2 {
        copy(column(call.arguments[2]), position, result)
      } else {
        result.append { $0.setNull($1) }
      }
    }
  }

  private func chosen(_ call: WindowCall, into result: WindowColumn) throws(SQLError) {
    let value = column(call.arguments[0])
    let bounds = WindowFrameBounds(self, call.frame)
    for position in 0..<count {
      let ranges = bounds.ranges(position)
      let size = ranges.reduce(0) { $0 + $1.count }
      var wanted = call.function == .lastValue ? size - 1 : 0
      if call.function == .nthValue {
        guard let number = integer(call.arguments[1], position) else {
          result.append { $0.setNull($1) }
          continue
        }
        guard number > 0 else { throw SQLError(SQLState("22016"), "nth_value counts from 1") }
        wanted = Int(clamping: number - 1)
      }
      guard wanted >= 0, wanted < size else {
        result.append { $0.setNull($1) }
        continue
      }
      for range in ranges {
        if wanted < range.count {
          copy(value, range.lowerBound + wanted, result)
          break
        }
        wanted -= range.count
      }
    }
  }
}
