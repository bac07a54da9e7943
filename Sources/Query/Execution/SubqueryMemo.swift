import Synchronization

/// What a run knows of one correlated sub-query: answers by combination, and the index that holds them all
/// once answering one by one took too long. Shared by all threads and all stretches of the run.
final class SubqueryMemo: Sendable {
  private enum Index {
    case none
    case made(SubqueryIndex)
    /// It reads rows that no single answer needs, and failed at them or held too much.
    case impossible
  }

  private struct State {
    var answers: [[SQLValue]: SubqueryAnswer] = [:]
    var nanos: Int64 = 0
    var index = Index.none
  }

  private let query: Subquery
  /// Nil where equalities are not all that joins it to the query around.
  private let shape: SubqueryIndex.Shape?
  private let state = Mutex(State())

  init(_ query: Subquery) {
    self.query = query
    shape = SubqueryIndex.shape(query)
  }

  /// The answer for one combination of captured values.
  /// - Throws: 21000, what the inner query throws, 57014, 53200.
  func answer(_ values: [SQLValue], _ context: ExecutionContext) throws(SQLError) -> SubqueryAnswer {
    if let known = state.withLock({ $0.answers[values] }) { return known }
    if let shape, let index = try index(shape, context) {
      let constants = Dictionary(uniqueKeysWithValues: zip(query.captures, values))
      let folding = Folding(pool: context.pool)
      var key: [SQLValue] = []
      for expression in shape.outer {
        let bound = expression.substituting(constants, folding)
        if let constant = bound.constantValue {
          key.append(constant)
        } else {
          key.append(try NodeBuilder(context).node(bound).evaluate(Batch([], count: 1), nil).value(0, context.pool))
        }
      }
      return try index.answer(key)
    }
    let begin = monotonicNanos()
    let answer = try context.answer(query, values)
    let nanos = monotonicNanos() - begin
    var bytes = 128 + values.count * 48
    if case .members(let members) = answer { bytes += members.byteCount }
    try context.charge(bytes)
    state.withLock {
      $0.answers[values] = answer
      $0.nanos += nanos
    }
    return answer
  }

  /// The index, where it is time for it. Other threads wait while it is made: they want the same.
  private func index(_ shape: SubqueryIndex.Shape, _ context: ExecutionContext) throws(SQLError) -> SubqueryIndex? {
    try state.withLock { (state) throws(SQLError) in
      switch state.index {
      case .made(let index): return index
      case .impossible: return nil
      case .none: break
      }
      guard state.nanos >= context.limits.patienceNanos else { return nil }
      do throws(SQLError) {
        let index = try SubqueryIndex(query, shape, context)
        do throws(SQLError) {
          try context.charge(index.byteCount)
        } catch {
          context.release(index.byteCount)
          throw error
        }
        state.index = .made(index)
        return index
      } catch {
        if error.state == .queryCancelled { throw error }
        state.index = .impossible
        return nil
      }
    }
  }
}
