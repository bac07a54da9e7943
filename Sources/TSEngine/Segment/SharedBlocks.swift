/// The shared blocks of a data segment: each holds rows of several neighbouring series that have too
/// few for a block of their own. A *member* is what one of them has of one series.
///
/// Columns of plain words: a member takes 25 bytes, and what is said once a block (columns, sections,
/// statistics) is in a `BlockTable`, a row a block, of all its rows.
package struct SharedBlocks: Sendable {
  /// A block each: all of its rows, of its earliest and latest instants.
  package private(set) var table = BlockTable()
  /// First member of each block, and one past the end.
  private var firstMember: [UInt32] = [0]
  /// By member: its place in the segment's series, in order.
  private var series: [UInt32] = []
  /// By member: its first row in its block.
  private var firstRow: [UInt32] = []
  private var firstTime: [Int64] = []
  private var span: [UInt64] = []
  private var repeats: [Bool] = []
  /// By block: all of its members are regular.
  private var isEven: [Bool] = []

  /// What the index says of the members of one block.
  package struct Members: Sendable, Equatable {
    package var series: [Int] = []
    package var counts: [Int] = []
    package var firsts: [Int64] = []
    /// Last instant − first.
    package var spans: [Int64] = []
    /// Its instants are those of the member before.
    package var repeats: [Bool] = []
    /// Steps between instants are equal in each.
    package var isEven = false
  }

  package init() {}

  package var isEmpty: Bool { series.isEmpty }
  package var memberCount: Int { series.count }

  /// Bytes held, roughly. O(1).
  package var byteCount: Int {
    table.byteCount + (firstMember.capacity + series.capacity + firstRow.capacity) * 4
      + (firstTime.capacity + span.capacity) * 8 + repeats.capacity
  }

  package mutating func append(_ entry: BlockEntry, _ members: Members) {
    table.append(entry)
    isEven.append(members.isEven)
    var row = 0
    for member in members.series.indices {
      series.append(UInt32(members.series[member]))
      firstRow.append(UInt32(row))
      firstTime.append(members.firsts[member])
      span.append(UInt64(members.spans[member]))
      repeats.append(members.repeats[member])
      row += members.counts[member]
    }
    firstMember.append(UInt32(series.count))
  }

  /// The block of a member. O(log blocks).
  package func block(ofMember member: Int) -> Int {
    var (low, high) = (0, table.rows.count - 1)
    while low < high {
      let middle = (low + high + 1) / 2
      if Int(firstMember[middle]) <= member { low = middle } else { high = middle - 1 }
    }
    return low
  }

  package func members(ofBlock block: Int) -> Range<Int> {
    Int(firstMember[block])..<Int(firstMember[block + 1])
  }

  /// Rows of a member in its block.
  package func rows(ofMember member: Int, in block: Int) -> Range<Int> {
    let isLast = member + 1 == Int(firstMember[block + 1])
    let end = isLast ? Int(table.rows[block].rowCount) : Int(firstRow[member + 1])
    return Int(firstRow[member])..<end
  }

  package func series(ofMember member: Int) -> Int { Int(series[member]) }

  /// Its instants are those of the member before.
  func isRepeat(_ member: Int) -> Bool { repeats[member] }

  package func times(ofMember member: Int) -> ClosedRange<Int64> {
    firstTime[member]...(firstTime[member] &+ Int64(bitPattern: span[member]))
  }

  /// A member as if it were a block of its own; its LSN bounds are those of the whole.
  package func row(ofMember member: Int) -> BlockTable.Row {
    let block = block(ofMember: member)
    let count = rows(ofMember: member, in: block).count
    var row = table.rows[block]
    row.rowCount = UInt32(count)
    row.firstTime = firstTime[member]
    row.lastTime = firstTime[member] &+ Int64(bitPattern: span[member])
    row.regular =
      isEven[block] || count == 1
      ? RegularTimes(few: firstTime[member], span: Int64(bitPattern: span[member]), count: count) : nil
    return row
  }

  /// First member of each series, and one past the end.
  package func firstMembers(seriesCount: Int) -> [UInt32] {
    if isEmpty { return [] }
    var first: [UInt32] = []
    first.reserveCapacity(seriesCount + 1)
    for (member, place) in series.enumerated() {
      while first.count <= Int(place) { first.append(UInt32(member)) }
    }
    while first.count <= seriesCount { first.append(UInt32(series.count)) }
    return first
  }
}

extension RegularTimes {
  /// `count` instants at whole, equal steps, the last one `span` behind the first; nil where there are
  /// none such.
  init?(few start: Int64, span: Int64, count: Int) {
    guard count > 1 else {
      self.init(start: start, count: 1, stepNumerator: 1, stepDenominator: 1)
      return
    }
    guard span > 0, span % Int64(count - 1) == 0 else { return nil }
    self.init(start: start, count: count, stepNumerator: span / Int64(count - 1), stepDenominator: 1)
  }
}
