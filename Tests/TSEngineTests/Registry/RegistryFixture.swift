import Synchronization

@testable import TSEngine

/// SplitMix64: the same seed gives the same bytes on any machine.
final class SeededRNG: RNG {
  private let state: Mutex<UInt64>
  init(_ seed: UInt64) { state = Mutex(seed) }

  func next() -> UInt64 {
    state.withLock { state in
      state &+= 0x9E37_79B9_7F4A_7C15
      var z = state
      z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
      return z ^ (z >> 31)
    }
  }

  func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }

  func fill(_ buffer: inout MutableRawSpan) {
    for index in 0..<buffer.byteCount {
      buffer.storeBytes(
        of: UInt8(truncatingIfNeeded: next()), toByteOffset: index, as: UInt8.self)
    }
  }
}

/// A registry with its log, as the writer drives them.
struct Ledger {
  var registry = Registry()
  var log: [Event] = []
  var now: Int64
  let random: SeededRNG
  var policy = RegistryPolicy()
  var actor = Actor(.operator, "root")

  init(seed: UInt64 = 1, now: Int64 = 1_700_000_000_000_000_000) {
    random = SeededRNG(seed)
    self.now = now
  }

  var context: DecisionContext {
    DecisionContext(
      now: now, actor: actor, cause: Cause(message: "test"), policy: policy, random: random)
  }

  /// Takes a decision and records its events, all or nothing.
  @discardableResult
  mutating func decide<T>(
    _ decision: (Registry, DecisionContext) -> Decision<T>
  ) -> Result<T, Refusal> {
    let decision = decision(registry, context)
    record(decision.events)
    return decision.result
  }

  mutating func record(_ events: [Event]) {
    for var event in events {
      event.lsn = (log.last?.lsn ?? 0) + 1
      log.append(event)
      registry.apply(event)
    }
  }

  mutating func device(_ id: String = "b827eb08451e") -> String {
    decide { $0.discover(lampi: id, interface: "mqtt", $1) }
    return id
  }

  mutating func user(_ name: String) -> UserID {
    guard case .success(let id) = decide({ $0.createUser(name, $1) }) else { return UserID(0) }
    return id
  }

  func code(_ device: String) -> String { registry.code(device) }
}

extension Registry {
  func code(_ device: String) -> String { codes[device]?.code.text ?? "" }
}

extension Result {
  var failure: Failure? {
    if case .failure(let failure) = self { failure } else { nil }
  }
  var success: Success? {
    if case .success(let value) = self { value } else { nil }
  }
}

extension [UInt8] {
  init(hex: String) {
    let digits = hex.utf8.compactMap { Hex.value($0) }
    self = stride(from: 0, to: digits.count - 1, by: 2).map {
      UInt8(digits[$0] << 4 | digits[$0 + 1])
    }
  }
}

/// Replays `events` from nothing.
func replay(_ events: some Sequence<Event>) -> Registry {
  var registry = Registry()
  for event in events { registry.apply(event) }
  return registry
}
