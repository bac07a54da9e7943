import TSEngine

/// What a client knows of a store: what was acknowledged, and what is on its way.
///
/// `states[0]` is what is acknowledged; then that with one, two, … of the requests whose outcome
/// nobody has told. Whatever happens, a store shows one of them, whole.
struct Ledger {
  typealias Request = @Sendable (SymbolTable) -> FrameBatch

  private(set) var states = [Model()]
  /// What `states[1...]` add, in order.
  private(set) var underWay: [Request] = []
  var ackedLSN: LSN = 0
  var ackedEvents: [Event] = []
  var ackedMessageCount = 0
  /// Messages sent, acknowledged or not.
  var sentMessageCount = 0
  var copies = Copies()

  /// A request leaves. Returns the answer it must get.
  mutating func send(_ request: @escaping Request, now: Int64, _ symbols: SymbolTable) -> AppendResult {
    var after = states[states.count - 1]
    let expected = after.append(request(symbols), now: now, symbols)
    states.append(after)
    underWay.append(request)
    return expected
  }

  /// The oldest request under way is acknowledged.
  mutating func acknowledge(lsn: LSN) {
    states.removeFirst()
    underWay.removeFirst()
    ackedLSN = max(ackedLSN, lsn)
  }

  /// An act leaves that adds no readings.
  mutating func propose(_ after: Model) { states.append(after) }

  mutating func accept(lsn: LSN) {
    states.removeFirst()
    ackedLSN = max(ackedLSN, lsn)
  }

  /// The store refused what is under way and goes on: it is not stored.
  mutating func refuse() {
    states.removeLast(states.count - 1)
    underWay = []
  }

  /// Of several requests some were refused: these states are possible.
  mutating func replace(_ possible: [Model]) {
    states = possible
    underWay = []
  }

  mutating func learn(_ store: Store) {
    // Amid a fault the disk may not answer: then what was learnt before stays.
    if let events = try? store.snapshot().events() { ackedEvents = events }
    ackedLSN = max(ackedLSN, store.durableLSN)
  }
}

/// Looks at a store that was opened after a fault, and says what is wrong with it.
enum Judge {
  struct Wrong: Error { var text: String }

  static func messageCount(_ store: Store) -> Int? { try? Reading.messageCount(store.snapshot()) }

  /// acked ⊆ recovered ⊆ sent, values equal, each reading once. Returns which state it is.
  static func check(_ store: Store, _ ledger: Ledger) throws(Wrong) -> Int {
    if let damage = store.damages.first {
      throw Wrong(text: "calls it damage: \(damage)")
    }
    let snapshot = store.snapshot()
    let sum: RowSum
    do throws(StorageError) {
      sum = try Reading.sums(snapshot)[0]
    } catch {
      throw Wrong(text: "cannot be read: \(error)")
    }
    guard let state = ledger.states.lastIndex(where: { $0.sum == sum }) else {
      let found = (try? Reading.all(snapshot, unread: { _ in })) ?? [:]
      throw Wrong(
        text: "none of \(ledger.states.count) states fits: \(ledger.states[0].difference(found))")
    }
    try checkEvents(snapshot, ledger)
    guard snapshot.lsn >= ledger.ackedLSN else {
      throw Wrong(text: "lsn \(snapshot.lsn) is below the acknowledged \(ledger.ackedLSN)")
    }
    guard let messages = messageCount(store), messages >= ledger.ackedMessageCount,
      messages <= ledger.sentMessageCount
    else {
      throw Wrong(
        text: "\(messageCount(store) ?? -1) messages; \(ledger.ackedMessageCount) acknowledged, "
          + "\(ledger.sentMessageCount) sent")
    }
    return state
  }

  private static func checkEvents(_ snapshot: Snapshot, _ ledger: Ledger) throws(Wrong) {
    let events = try events(of: snapshot)
    guard events.prefix(ledger.ackedEvents.count) == ledger.ackedEvents[...] else {
      throw Wrong(text: "acknowledged events are not there")
    }
    guard zip(events, events.dropFirst()).allSatisfy({ $0.lsn < $1.lsn }) else {
      throw Wrong(text: "events twice or out of order")
    }
  }

  static func events(of snapshot: Snapshot) throws(Wrong) -> [Event] {
    do throws(StorageError) { return try snapshot.events() } catch {
      throw Wrong(text: "events cannot be read: \(error)")
    }
  }

  /// The registry is what its events fold to.
  static func checkDigest(_ store: Store) throws(Wrong) {
    let snapshot = store.snapshot()
    var folded = Registry()
    for event in try events(of: snapshot) { folded.apply(event) }
    guard folded.digest == snapshot.registry.digest else {
      throw Wrong(text: "the registry is not what its events fold to")
    }
  }

  /// Clients send again what nobody answered: each reading is told for what it is, once.
  static func retry(_ store: Store, _ ledger: Ledger, from state: Int, now: Int64) throws(Wrong) {
    var model = ledger.states[state]
    for request in ledger.underWay {
      let batch = request(store.symbols)
      let expected = model.append(batch, now: now, store.symbols)
      do throws(StorageError) {
        var answer = try store.append(batch, creator: Bench.actor)
        let isWritten = answer.new + answer.conflict + answer.quarantined > 0
        guard answer.lsn >= ledger.ackedLSN + (isWritten ? 1 : 0) else {
          throw StorageError(.conflict, "lsn \(answer.lsn) given again, \(ledger.ackedLSN) was acknowledged")
        }
        answer.lsn = 0
        guard answer == expected else {
          throw StorageError(.conflict, "a retry gave \(answer) instead of \(expected)")
        }
      } catch {
        throw Wrong(text: "a retry: \(error)")
      }
    }
    guard let sum = try? Reading.sums(store.snapshot())[0], sum == model.sum else {
      throw Wrong(text: "after the retry the rows differ")
    }
  }
}
