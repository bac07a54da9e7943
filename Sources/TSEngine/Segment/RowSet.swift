/// Rows of one series in memory, in time order, one row an instant: what a head chunk, a decoded
/// block or a merge of several of them looks like to a reader.
package struct RowSet: Sendable {
  package struct Column: Sendable {
    package enum Content: Sendable {
      case constant(Int64)
      /// One slot a row.
      case values([Int64])
    }
    package var id: ColumnID
    package var content: Content
    /// Bit r%64 of word r/64 is 1 where row r is not null; nil when no row is null.
    package var validity: [UInt64]?

    package init(id: ColumnID, content: Content, validity: [UInt64]? = nil) {
      self.id = id
      self.content = content
      self.validity = validity
    }
  }

  /// `lsn` brought the rows before `end` (and not before the previous run's end).
  package struct LSNRun: Sendable, Equatable {
    package var end: Int
    package var lsn: LSN
    package init(end: Int, lsn: LSN) {
      self.end = end
      self.lsn = lsn
    }
  }

  package var times: SampleTimes
  /// Columns absent here are null throughout.
  package var columns: [Column]
  package var lsns: [LSNRun]
  /// Of the texts that the rows name.
  package var texts: [TextHold] = []

  package init(times: SampleTimes, columns: [Column], lsns: [LSNRun]) {
    self.times = times
    self.columns = columns
    self.lsns = lsns
  }

  package var count: Int { times.count }

  package func column(_ id: ColumnID) -> Column? { columns.first { $0.id == id } }

  /// The holds that rows of `range` need. O(rows of text columns).
  func holds(of range: Range<Int>) -> [TextHold] {
    if range.count == count { return texts }
    var used: [ColumnID: Set<Int>] = [:]
    for hold in texts where used[hold.column] == nil {
      switch column(hold.column)?.content {
      case .constant(let code): used[hold.column] = [TextHold.number(of: code)]
      case .values(let slots):
        used[hold.column] = Set(slots[range].lazy.map { TextHold.number(of: $0) })
      case nil: used[hold.column] = []
      }
    }
    return texts.filter { used[$0.column]?.contains($0.number) ?? false }
  }
}
