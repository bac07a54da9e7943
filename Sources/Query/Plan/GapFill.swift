/// Buckets without rows between those with some, series by series.
package struct GapFill: Hashable, Sendable {
  package enum Fill: Hashable, Sendable {
    case null
    /// The value of the bucket before.
    case previous
    /// On the line between the values before and after.
    case linear
    case value(SQLValue)
  }

  /// The key that is the bucket.
  var bucket: Int
  /// All other keys tell series apart.
  var keyCount: Int
  var grid: TimeGrid
  /// One for each column behind the keys.
  var fills: [Fill]
  /// Instants within the first bucket and behind the last; nil: those of the rows.
  var from: Int64?
  var to: Int64?
}

/// What a SELECT says of its buckets, before its keys are known.
struct GapRequest {
  var bucket: BoundExpr
  var grid: TimeGrid
  var time: BoundExpr
  var from: Int64?
  var to: Int64?
}

/// SAMPLE BY and time_bucket_gapfill.
extension Binder {
  /// SAMPLE BY on the column of instants of FROM.
  struct Sampling {
    var request: GapRequest
    var fill: [SampleBy.Fill]
  }

  func sampling(_ sample: SampleBy, _ scope: Scope) throws(SQLError) -> Sampling {
    let found = scope.columns.indices.filter {
      scope.columns[$0].type == .timestamp && (scope.columns[$0].name == "ts" || scope.columns[$0].alias == "ts")
    }
    guard found.count == 1, let column = found.first else {
      throw SQLError(
        .undefinedColumn, "SAMPLE BY finds no one column ts in FROM", at: sample.range,
        hint: "write GROUP BY time_bucket('5 min', t.ts)")
    }
    let time = BoundExpr.column(column, .timestamp)
    var origin: BoundExpr?
    switch sample.alignment {
    case .firstObservation:
      throw .unsupported("ALIGN TO FIRST OBSERVATION", at: sample.range, hint: "buckets align to the calendar")
    case .calendar(let zone, let offset):
      if let offset { throw .unsupported("WITH OFFSET", at: offset.range) }
      origin = try zone.map { (e) throws(SQLError) in try bind(e, Scope()) }
    case nil: break
    }
    let grid = try self.grid(
      .constant(.interval(sample.step), .interval), sample.range, origin: origin, sample.range)
    func instant(_ expression: Expression?) throws(SQLError) -> Int64? {
      guard let expression else { return nil }
      let bound = try coerce(bind(expression, Scope()), to: .timestamp, expression.range)
      guard case .timestamp(let instant) = bound.constantValue else {
        throw SQLError(.invalidParameterValue, "FROM and TO of SAMPLE BY are constant instants", at: expression.range)
      }
      return instant
    }
    let request = GapRequest(
      bucket: .call(.bucket(grid), [time], .timestamp), grid: grid, time: time, from: try instant(sample.from),
      to: try instant(sample.to))
    return Sampling(request: request, fill: sample.fill)
  }

  /// The rows between FROM and TO.
  func within(_ request: GapRequest) -> BoundExpr? {
    var terms: [BoundExpr] = []
    if let from = request.from { terms.append(.compare(.greaterOrEqual, request.time, .constant(.timestamp(from), .timestamp))) }
    if let to = request.to { terms.append(.compare(.less, request.time, .constant(.timestamp(to), .timestamp))) }
    return BoundExpr.conjunction(terms)
  }

  /// time_bucket_gapfill(width, ts [, zone] [, start, finish]): a bucket that GROUP BY must hold.
  func gapBucket(_ a: [BoundExpr], _ ranges: [SourceRange], _ range: SourceRange) throws(SQLError) -> BoundExpr {
    guard 2...5 ~= a.count else {
      throw SQLError(.undefinedFunction, "time_bucket_gapfill takes a width, an instant, and then a zone, a start and an end", at: range)
    }
    var rest = Array(zip(a, ranges).dropFirst(2))
    var origin: (expression: BoundExpr, range: SourceRange)?
    if let first = rest.first, case .constant(.text(let text), _) = first.0, TimestampText.parse(text) == nil {
      origin = (first.0, first.1)
      rest.removeFirst()
    }
    let grid = try self.grid(a[0], ranges[0], origin: origin?.expression, origin?.range ?? range)
    var bounds: [Int64] = []
    for (bound, place) in rest {
      guard case .timestamp(let instant) = try coerce(bound, to: .timestamp, place).constantValue else {
        throw SQLError(.invalidParameterValue, "the bounds of time_bucket_gapfill are constant instants", at: place)
      }
      bounds.append(instant)
    }
    let time = try coerce(a[1], to: .timestamp, ranges[1])
    let bucket = BoundExpr.call(.bucket(grid), [time], .timestamp)
    if let known = gaps.request, known.bucket != bucket {
      throw SQLError(.featureNotSupported, "a query fills the gaps of one bucket", at: range)
    }
    gaps.request = GapRequest(
      bucket: bucket, grid: grid, time: time, from: bounds.first, to: bounds.count > 1 ? bounds[1] : nil)
    return bucket
  }

  /// locf(aggregate) and interpolate(aggregate): the aggregate once more, with its own way over gaps.
  func carried(_ name: String, _ call: FunctionCall, _ scope: Scope, _ range: SourceRange) throws(SQLError) -> BoundExpr {
    guard call.arguments.count == 1 else { throw SQLError(.undefinedFunction, "\(name) takes 1 argument", at: range) }
    let bound = try bind(call.arguments[0].value, scope)
    guard case .column(let column, let type) = bound, Self.aggregateBase..<Self.windowBase ~= column, var list = aggregates else {
      throw SQLError(
        .groupingError, "\(name) stands round an aggregate function", at: range, hint: "\(name)(avg(power))")
    }
    guard name == "locf" || type == .int || type == .float || type == .null else {
      throw SQLError(.undefinedFunction, "interpolate of \(type.rawValue) does not exist", at: range)
    }
    list.append(list[column - Self.aggregateBase])
    aggregates = list
    gaps.fills[list.count - 1] = name == "locf" ? .previous : .linear
    return .column(Self.aggregateBase + list.count - 1, type)
  }

  /// The filling of a grouped plan whose columns are `keys`, then `aggregates`.
  func gapFill(
    _ request: GapRequest, _ keys: [BoundExpr], _ aggregates: [Aggregate], _ fills: [GapFill.Fill], _ filter: BoundExpr?,
    _ range: SourceRange
  ) throws(SQLError) -> GapFill {
    guard let bucket = keys.firstIndex(of: request.bucket) else {
      throw SQLError(
        .groupingError, "the buckets whose gaps are filled must be in GROUP BY", at: range,
        hint: "GROUP BY 1, or the alias of time_bucket_gapfill(…)")
    }
    let told = bounds(of: request.time, filter)
    return GapFill(
      bucket: bucket, keyCount: keys.count, grid: request.grid, fills: fills, from: request.from ?? told.from,
      to: request.to ?? told.to)
  }

  /// What WHERE says of the instants: from the first on, before the last.
  private func bounds(of time: BoundExpr, _ filter: BoundExpr?) -> (from: Int64?, to: Int64?) {
    var result: (from: Int64?, to: Int64?) = (nil, nil)
    for term in filter?.conjuncts ?? [] {
      guard case .compare(var operation, var a, var b) = term else { continue }
      if b == time { (a, b, operation) = (b, a, operation.flipped) }
      guard a == time, case .timestamp(let instant) = b.constantValue else { continue }
      let after = instant == .max ? instant : instant + 1
      switch operation {
      case .greaterOrEqual: result.from = max(result.from ?? .min, instant)
      case .greater: result.from = max(result.from ?? .min, after)
      case .less: result.to = min(result.to ?? .max, instant)
      case .lessOrEqual: result.to = min(result.to ?? .max, after)
      case .equal: result = (instant, after)
      case .notEqual: break
      }
    }
    return result
  }
}
