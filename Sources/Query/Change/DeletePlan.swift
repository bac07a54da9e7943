import TSEngine

/// A DELETE resolved to series and instants on one snapshot: what it would take, and doing it.
///
/// Conditions on series and time alone are taken as they are: all that lies there goes, also what
/// comes until it is done. Any other condition chooses readings by their values as the snapshot has
/// them: neighbours that are all chosen become one stretch, and where other readings came to these
/// instants meanwhile the delete is refused (40001) rather than taking them.
package struct DeletePlan: Sendable {
  package private(set) var extent = RemovalExtent()
  private let isQuarantine: Bool
  /// The LSN at which readings were chosen by their values; nil when they were not.
  private var seenAt: LSN?
  private var parts: [(table: TableID, spans: [SeriesSpans])] = []

  /// - Throws: 57014 when cancelled or out of time, 53200 when what it chose takes more than the limit.
  package init(
    _ delete: Delete, _ catalog: any Catalog, parameters: [SQLValue] = [],
    named: [String: SQLValue] = [:], nowNanos: Int64? = nil, limits: QueryLimits = QueryLimits(),
    cancel: CancelFlag = CancelFlag()
  ) throws(SQLError) {
    if let other = delete.using.first { throw .unsupported("DELETE USING", at: other.range) }
    if !delete.returning.isEmpty { throw .unsupported("DELETE RETURNING", at: delete.table.range) }
    let (name, snapshot) = (delete.table.last.name, catalog.snapshot)
    let table = snapshot.table(named: name)
    isQuarantine = table == nil
    guard table != nil || name == "quarantine" else {
      throw SQLError(
        .undefinedTable, "there is no table of readings \"\(name)\"", at: delete.table.range,
        hint: Suggestion.hint(for: name, among: snapshot.tables.map(\.name) + ["quarantine"]))
    }
    let pool = TextPool(symbols: snapshot.symbols)
    let binder = Binder(catalog, pool, parameters, named: named, nowNanos: nowNanos ?? wallNanos())
    let bound = try binder.query(try Self.choice(delete, isQuarantine))
    let context = ExecutionContext(
      catalog: catalog, pool: pool, limits: limits, cancel: cancel, isAnalyzing: false)
    try context.checkCancelled()
    let plan = try bound.plan.answeringSubqueries(context)
    let root = PhysicalBuilder(pool: pool).build(plan)
    if let table, let spans = Self.plainSpans(root, table.id, snapshot) {
      parts = [(table.id, spans)]
    } else if isQuarantine, delete.filter == nil {
      parts = snapshot.tables.map { ($0.id, [.everySeries([.min ... .max])]) }
    } else {
      seenAt = snapshot.lsn
      let query = PreparedQuery(
        columns: zip(bound.names, bound.types).map { (name: $0, type: $1) }, mode: .rows, plan: plan,
        catalog: catalog, pool: pool)
      for (name, instants) in try Self.instants(query, context) {
        guard let id = snapshot.table(named: name)?.id else { continue }
        parts.append((id, try Self.joined(instants, isQuarantine ? id.quarantine : id, context)))
      }
    }
    for (table, spans) in parts {
      var stopped: SQLError?
      do throws(StorageError) {
        let part = try snapshot.extent(of: isQuarantine ? table.quarantine : table, spans) {
          do throws(SQLError) { try context.checkCancelled() } catch { stopped = error }
          return stopped == nil
        }
        extent.rowCount += part.rowCount
        extent.seriesCount += part.seriesCount
        extent.byteCount += part.byteCount
      } catch {
        throw error.sqlError
      }
      if let stopped { throw stopped }
    }
  }

  /// Removes what was chosen: an event each table, with `actor` and `reason`. Durable on return.
  /// - Returns: the newest LSN.
  /// - Throws: 40001 when other readings came to the chosen instants.
  package func apply(to store: Store, actor: Actor, reason: String) throws(SQLError) -> LSN {
    var newest = store.durableLSN
    if extent.rowCount == 0 { return newest }
    let cause = Cause(reason: reason)
    for (table, spans) in parts {
      do throws(StorageError) {
        if isQuarantine {
          newest = max(
            newest,
            try store.settleQuarantine(of: table, spans, .dropped, seenAt: seenAt, actor: actor, cause: cause)
              .lsn)
        } else {
          newest = try store.delete(
            table, spans, extent: extent, seenAt: seenAt, actor: actor, cause: cause)
        }
      } catch {
        throw error.sqlError
      }
    }
    return newest
  }

  /// The row that answers the statement, as a query.
  func answer(lsn: LSN? = nil) -> String { extent.answer(lsn) }

  // MARK: - What it takes

  /// `SELECT table, device, probe, ts FROM … WHERE …`
  private static func choice(_ delete: Delete, _ isQuarantine: Bool) throws(SQLError) -> Query {
    let columns = isQuarantine ? #""table", sensor, probe, ts"# : "'', device, probe, ts"
    guard case .query(var query) = try SQL.parse("SELECT \(columns) FROM x").kind,
      case .select(var select) = query.body
    else { preconditionFailure("a query") }
    let table = TableReference.Kind.table(delete.table, TimeTravel())
    select.from = [TableReference(kind: table, alias: delete.alias, range: delete.table.range)]
    select.filter = delete.filter
    if !isQuarantine {
      let name = Expression(.literal(.string(delete.table.last.name)), delete.table.range)
      select.items[0] = .expression(name, alias: nil)
    }
    query.body = .select(select)
    return query
  }

  /// Nil where values decide.
  private static func plainSpans(
    _ root: Operator, _ table: TableID, _ snapshot: Snapshot
  ) -> [SeriesSpans]? {
    let below = root is ProjectOperator ? root.children[0] : root
    guard let scan = below as? ScanOperator, !scan.specification.hasPredicates else { return nil }
    let filter = scan.specification.filter
    let times = filter.times.map { $0.isEmpty ? [] : [$0.lowerBound...($0.upperBound == .max ? .max : $0.upperBound - 1)] }
    if filter.devices == nil, filter.probes == nil { return [.everySeries(times ?? [.min ... .max])] }
    return snapshot.series(of: table).compactMap { key in
      guard filter.devices?.contains(key.device) ?? true, filter.probes?.contains(key.probe) ?? true
      else { return nil }
      return SeriesSpans(device: key.device, probe: key.probe, times: times ?? [.min ... .max])
    }
  }

  private typealias Instants = [SeriesKey: [Int64]]

  /// What a query of table, device, probe and instant finds, by table. Keys are without their table.
  private static func instants(
    _ query: PreparedQuery, _ context: ExecutionContext
  ) throws(SQLError) -> [(String, Instants)] {
    let found = Found()
    try query.run(limits: context.limitsLeft, cancel: context.cancel) { (batch) throws(SQLError) in
      // An instant, and the stretch that may come of it.
      try context.charge(batch.rowCount * 24)
      for row in 0..<batch.rowCount {
        guard case .text(let name) = batch.value(row, 0), case .text(let device) = batch.value(row, 1) else { continue }
        let key = SeriesKey(table: 0, device: device, probe: Int32(truncatingIfNeeded: batch.slot(row, 2)))
        found.tables[name, default: [:]][key, default: []].append(batch.slot(row, 3))
      }
      return true
    }
    return found.tables.sorted { $0.key < $1.key }
  }

  private final class Found {
    var tables: [String: Instants] = [:]
  }

  /// Instants whose neighbours in the series are chosen too, as stretches.
  private static func joined(
    _ instants: Instants, _ table: TableID, _ context: ExecutionContext
  ) throws(SQLError) -> [SeriesSpans] {
    let snapshot = context.snapshot
    var all: [SeriesSpans] = []
    for (key, unsorted) in instants.sorted(by: { $0.key < $1.key }) {
      try context.checkCancelled()
      let chosen = unsorted.sorted()
      var spans: [ClosedRange<Int64>] = []
      var (next, isOpen) = (0, false)
      do throws(StorageError) {
        let filter = Snapshot.ScanFilter(
          devices: [key.device], probes: [key.probe],
          times: chosen[0]..<(chosen[chosen.count - 1] == .max ? .max : chosen[chosen.count - 1] + 1))
        for stretch in try snapshot.scan(table, filter).stretches {
          for instant in try stretch.instants() {
            while next < chosen.count, chosen[next] < instant { next += 1 }
            guard next < chosen.count, chosen[next] == instant else {
              isOpen = false
              continue
            }
            if isOpen, let last = spans.popLast() {
              spans.append(last.lowerBound...instant)
            } else {
              spans.append(instant...instant)
            }
            isOpen = true
          }
        }
      } catch {
        throw error.sqlError
      }
      all.append(SeriesSpans(device: key.device, probe: key.probe, times: spans))
    }
    return all
  }
}

extension Stretch {
  /// All instants, ascending.
  fileprivate func instants() throws(StorageError) -> [Int64] {
    let reader = try reader([])
    var instants = [Int64](repeating: 0, count: reader.rowCount)
    var span = instants.mutableSpan
    reader.times(0..<reader.rowCount, into: &span)
    return instants
  }
}
