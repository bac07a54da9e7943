import TSEngine

/// generate_series(start, stop [, step]): numbers or instants, both ends inclusive.
struct GeneratedSeries: RowTable {
  let name = "generate_series"
  let columns: [RowColumn]
  private let start: SQLValue
  private let stop: SQLValue
  private let step: SQLValue

  /// - Throws: 22023 for a step of zero.
  init(_ start: SQLValue, _ stop: SQLValue, _ step: SQLValue) throws(SQLError) {
    columns = [RowColumn("generate_series", start.type)]
    (self.start, self.stop, self.step) = (start, stop, step)
    let isZero =
      switch step {
      case .int(let number): number == 0
      case .interval(let interval): interval.comparable == 0
      default: false
      }
    if isZero { throw SQLError(.invalidParameterValue, "the step of generate_series is not zero") }
  }

  func scan(_ emit: ([SQLValue]) throws(SQLError) -> Bool) throws(SQLError) {
    switch (start, stop, step) {
    case (.int(var at), .int(let end), .int(let step)):
      while step > 0 ? at <= end : at >= end {
        if try !emit([.int(at)]) { return }
        let (next, overflow) = at.addingReportingOverflow(step)
        if overflow { return }
        at = next
      }
    case (.timestamp(var at), .timestamp(let end), .interval(let step)):
      let isRising = step.comparable > 0
      while isRising ? at <= end : at >= end {
        if try !emit([.timestamp(at)]) { return }
        guard let next = Calendar.adding(step, to: at), isRising ? next > at : next < at else { return }
        at = next
      }
    default: return
    }
  }
}
