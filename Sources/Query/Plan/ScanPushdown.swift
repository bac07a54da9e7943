import TSEngine

/// Splits the conditions on a table of readings: what series and time decide before any block is
/// touched, what packed pages can be tested for, and the rest.
extension PhysicalBuilder {
  func readings(_ table: ReadingsTable, _ required: Set<Int>, _ filters: [BoundExpr]) -> Built {
    var pushdown = Pushdown(table)
    for filter in filters { pushdown.take(filter) }
    let columns = required.union(pushdown.residual.columns).sorted()
    var specification = ScanSpecification(table: table.schema, columns: columns.map { table.columns[$0].column })
    specification.past = table.past
    specification.filter = pushdown.filter
    specification.ranges = pushdown.ranges.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    specification.texts = pushdown.texts
    var built = Built(root: ScanOperator(specification, alias: table.alias), columns: columns)
    if let residual = BoundExpr.conjunction(pushdown.residual) {
      specification.residual = built.remap(residual)
      built.root = ScanOperator(specification, alias: table.alias)
    }
    return built
  }
}

private struct Pushdown {
  private let table: ReadingsTable
  var filter = Snapshot.ScanFilter()
  var ranges: [ColumnID: ClosedRange<Int64>] = [:]
  var texts: [(column: ColumnID, text: String)] = []
  var residual: [BoundExpr] = []

  init(_ table: ReadingsTable) { self.table = table }

  /// Takes one conjunct.
  mutating func take(_ term: BoundExpr) {
    if !absorb(term) { residual.append(term) }
  }

  private func column(_ expression: BoundExpr) -> ScanColumn? {
    if case .column(let index, _) = expression { table.columns[index].column } else { nil }
  }

  private mutating func absorb(_ term: BoundExpr) -> Bool {
    switch term {
    case .compare(let operation, let a, let b):
      if let column = column(a), let value = b.constantValue { return absorb(column, operation, value) }
      if let column = column(b), let value = a.constantValue { return absorb(column, operation.flipped, value) }
      return false
    case .inSet(let operand, let set, _):
      // NULL in the list only turns false into unknown: neither passes.
      return column(operand).map { absorb($0, set) } ?? false
    default: return false
    }
  }

  private mutating func absorb(_ column: ScanColumn, _ set: Set<SQLValue>) -> Bool {
    switch column {
    case .device:
      let devices = Set(set.compactMap { if case .text(let text) = $0 { text } else { nil } })
      filter.devices = filter.devices?.intersection(devices) ?? devices
      return true
    case .probe:
      let probes = Set(set.compactMap { if case .int(let number) = $0 { Int32(exactly: number) } else { nil } })
      filter.probes = filter.probes?.intersection(probes) ?? probes
      return true
    default: return false
    }
  }

  private mutating func absorb(_ column: ScanColumn, _ operation: Comparison, _ value: SQLValue) -> Bool {
    switch (column, value) {
    case (.device, .text), (.probe, .int):
      return operation == .equal && absorb(column, [value])
    case (.time, .timestamp(let instant)):
      guard let range = bounds(operation, instant) else { return false }
      // Half open: the largest instant of all is out of reach, as it is of the model.
      let upper = range.upperBound == .max ? .max : range.upperBound + 1
      let old = filter.times ?? Int64.min..<Int64.max
      let low = max(old.lowerBound, range.lowerBound)
      filter.times = low..<max(low, min(old.upperBound, upper))
      return true
    case (.value(let id, .int), .int(let number)):
      guard let range = bounds(operation, number) else { return false }
      return narrow(id, range)
    case (.value(let id, .text), .text(let text)):
      // Texts have no codes beyond their block; they are compared once they are read.
      guard operation == .equal, table.schema.columns.first(where: { $0.id == id })?.type == .symbol
      else { return false }
      texts.append((id, text))
      return true
    default: return false
    }
  }

  private mutating func narrow(_ id: ColumnID, _ range: ClosedRange<Int64>) -> Bool {
    guard let old = ranges[id] else {
      ranges[id] = range
      return true
    }
    guard old.overlaps(range) else { return false }
    ranges[id] = old.clamped(to: range)
    return true
  }

  /// Values that pass, where they are one range and there are any.
  private func bounds(_ operation: Comparison, _ value: Int64) -> ClosedRange<Int64>? {
    switch operation {
    case .equal: value...value
    case .less: value == .min ? nil : .min...(value - 1)
    case .lessOrEqual: .min...value
    case .greater: value == .max ? nil : (value + 1)...(.max)
    case .greaterOrEqual: value...(.max)
    case .notEqual: nil
    }
  }
}
