import TSEngine

/// Opens the store of a command and closes it behind it; what the store says comes out as a
/// sentence.
enum StoreAccess {
  /// For looking: also beside a process that writes.
  static func reading<T>(_ directory: String, _ body: (Store) throws -> T) throws -> T {
    var options = StoreOptions()
    options.isReadOnly = true
    options.createIfMissing = false
    return try open(directory, options, body)
  }

  /// For changing. A store that is not there is made only when `creating`.
  static func writing<T>(_ directory: String, creating: Bool = false, _ body: (Store) throws -> T) throws -> T {
    var options = StoreOptions()
    options.createIfMissing = creating
    return try open(directory, options, body)
  }

  private static func open<T>(
    _ directory: String, _ options: StoreOptions, _ body: (Store) throws -> T
  ) throws -> T {
    do {
      let store = try Store.open(System.resolved(directory), options)
      let result: T
      do {
        result = try body(store)
      } catch {
        try? store.close()
        throw error
      }
      try store.close()
      return result
    } catch let error as StorageError {
      throw CommandError(error, store: directory)
    }
  }

  /// Who this command is in the journal.
  static var actor: Actor { Actor(.operator, System.userName) }
}

extension Store {
  /// A decision on the registry by the person at the command line.
  func decideHere<Value: Sendable>(
    _ decision: @escaping @Sendable (TSEngine.Registry, DecisionContext) -> Decision<Value>
  ) throws -> Value {
    let (result, _) = try decide(
      actor: StoreAccess.actor, cause: Cause(message: "command line"), decision)
    switch result {
    case .success(let value): return value
    case .failure(let refusal): throw CommandError.failed(refusal.sentence)
    }
  }
}
