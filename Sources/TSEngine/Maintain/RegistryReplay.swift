/// Replays the records of journals into a registry, on two threads where there are two.
///
/// Whoever reads adds entries in the order of the log. The halves of the registry take them batch by
/// batch, each in that order: a helper applies all the time, the reader when it is ahead. Where the
/// scheduler has no threads (a simulation, a process at its limit) the reader does all of it.
final class RegistryReplay: Sendable {
  enum Entry: Sendable {
    case event(Event)
    case record(OperationalRecord)
  }

  private struct State: Sendable {
    /// By `Registry.Half`; nil while somebody applies to it.
    var halves: [Registry?]
    /// Batches that each half has.
    var applied: [Int]
    /// Those that not both halves have.
    var batches: [[Entry]] = []
    /// Batches before them.
    var dropped = 0
    var isWhole = false

    var isApplied: Bool { isWhole && applied.allSatisfy { $0 == dropped + batches.count } }
  }

  private struct Work {
    var half: Registry.Half
    var registry: Registry?
    var entries: [Entry]
  }

  private static let batchCount = 4_096
  /// How far the reader gets ahead: some 30 MB of events.
  private static let batchLimit = 8

  private let state: Monitor<State>
  private let helper: (any Wakeable)?

  /// - Parameter scheduler: of the helper; nil does without.
  init(_ registry: Registry, on scheduler: (any Scheduler)?) {
    let halves = Registry.Half.allCases
    let state = Monitor(State(halves: halves.map { registry.half($0) }, applied: halves.map { _ in 0 }))
    self.state = state
    helper = try? scheduler?.run("tsq-replay") {
      Self.help(state)
      return .done
    }
  }

  // MARK: The reader

  /// Gathers entries into batches; confined to the reader.
  struct Feed {
    fileprivate var entries: [Entry] = []

    init() { entries.reserveCapacity(RegistryReplay.batchCount) }
  }

  func add(_ entry: Entry, _ feed: inout Feed) {
    feed.entries.append(entry)
    if feed.entries.count == Self.batchCount { push(&feed) }
  }

  /// What all entries make of the registry. Nothing is added any more.
  func finish(_ feed: inout Feed) -> Registry {
    push(&feed)
    end()
    let (things, people) = state.change {
      ($0.halves[Registry.Half.things.rawValue].take(), $0.halves[Registry.Half.people.rawValue].take())
    }
    guard let things, let people else { preconditionFailure("nobody applies any more") }
    return Registry(things: things, people: people)
  }

  /// Applies what was added and ends the helper.
  func end() {
    state.change { $0.isWhole = true }
    while !state.read({ $0.isApplied }) { Self.applyOrWait(state) { $0.isApplied } }
    helper?.join()
  }

  private func push(_ feed: inout Feed) {
    guard !feed.entries.isEmpty else { return }
    let entries = feed.entries
    feed.entries.removeAll()
    feed.entries.reserveCapacity(Self.batchCount)
    state.change { $0.batches.append(entries) }
    while state.read({ $0.batches.count >= Self.batchLimit }) {
      Self.applyOrWait(state) { $0.batches.count < Self.batchLimit }
    }
  }

  // MARK: Applying

  private static func help(_ state: Monitor<State>) {
    while !state.read({ $0.isApplied }) { applyOrWait(state) { $0.isApplied } }
  }

  /// Applies a batch to a half that is free and lacks it; waits where there is none and `isEnough` does not hold.
  private static func applyOrWait(_ state: Monitor<State>, until isEnough: (State) -> Bool) {
    if var work = state.change({ take(&$0) }) {
      apply(&work)
      state.change { giveBack(&work, to: &$0) }
    } else {
      state.wait { isEnough($0) || next($0) != nil ? () : nil }
    }
  }

  private static func next(_ state: State) -> Registry.Half? {
    Registry.Half.allCases.first {
      state.halves[$0.rawValue] != nil && state.applied[$0.rawValue] < state.dropped + state.batches.count
    }
  }

  private static func take(_ state: inout State) -> Work? {
    guard let half = next(state), let registry = state.halves[half.rawValue].take() else { return nil }
    return Work(half: half, registry: registry, entries: state.batches[state.applied[half.rawValue] - state.dropped])
  }

  private static func giveBack(_ work: inout Work, to state: inout State) {
    // Whoever takes it next owns all of it.
    state.halves[work.half.rawValue] = work.registry.take()
    state.applied[work.half.rawValue] += 1
    while let first = state.applied.min(), first > state.dropped {
      state.batches.removeFirst()
      state.dropped += 1
    }
  }

  private static func apply(_ work: inout Work) {
    guard var registry = work.registry.take() else { return }
    for entry in work.entries {
      switch entry {
      case .event(let event):
        if work.half == .things, event.isForgotten(by: registry) { continue }
        registry.apply(event, to: work.half)
      case .record(let record):
        if work.half == .things { registry.apply(record) }
      }
    }
    work.registry = registry
  }
}

extension Event {
  /// Of a planted bug.
  fileprivate func isForgotten(by registry: Registry) -> Bool {
    switch kind {
    case .tableDropped: Planted.has(.droppedTableReturns)
    case .typeDeclared(let schema, _, _): Planted.has(.addedColumnsForgotten) && registry.types[schema.id] != nil
    default: false
    }
  }
}
