import Testing

@testable import TSEngine

@Suite struct AssociationTests {
  @Test("L-20: 10,000 creations give 10,000 distinct codes of 32 lower-case hex digits")
  func distinctCodes() {
    var ledger = Ledger(seed: 20)
    var codes = Set<String>()
    for index in 0..<10_000 {
      let id = ledger.device(String(index, radix: 16))
      codes.insert(ledger.code(id))
    }
    #expect(codes.count == 10_000)
    #expect(codes.allSatisfy { $0.utf8.count == 32 && AssociationCode($0) != nil })
  }

  @Test("L-20: a generator that repeats itself still gives each device a code of its own")
  func repeatingGenerator() {
    final class Stuck: RNG {
      func fill(_ buffer: inout MutableRawSpan) {
        for index in 0..<buffer.byteCount {
          buffer.storeBytes(of: 7, toByteOffset: index, as: UInt8.self)
        }
      }
    }
    var registry = Registry()
    let context = DecisionContext(now: 0, actor: .system, random: Stuck())
    for id in ["a", "b", "c", "d"] {
      registry = registry.after(registry.discover(lampi: id, interface: "mqtt", context).events)
    }
    #expect(Set(["a", "b", "c", "d"].map { registry.codes[$0]?.code }).count == 4)
  }

  @Test("L-06 L-22: six digits claim a parked device; owner and devices both answer")
  func claim() {
    var ledger = Ledger()
    let (id, alice) = (ledger.device(), ledger.user("alice"))
    let prefix = String(ledger.code(id).prefix(6))
    #expect(ledger.decide { $0.claim(code: prefix, by: alice, $1) }.success?.device == id)
    #expect(ledger.registry.associations.owner(of: id) == alice)
    #expect(ledger.registry.associations.devices(of: alice) == [id])
    #expect(Refusal.invalidCode.sentence == "Invalid Association Code")
  }

  @Test("L-22 L-23: wrong, empty, short and malformed codes are refused, each in its way")
  func refusals() {
    var ledger = Ledger()
    let (id, alice) = (ledger.device(), ledger.user("alice"))
    let code = ledger.code(id)
    let wrong = code.first == "0" ? "1" + code.dropFirst() : "0" + code.dropFirst()
    let cases: [(String, Refusal)] = [
      ("", .emptyCode), (String(code.prefix(5)), .shortCode), (String(wrong), .invalidCode),
      (code + "0", .invalidCode), ("%%%%%%", .invalidCode), (code.uppercased() + "!", .invalidCode),
    ]
    for (text, refusal) in cases {
      #expect(ledger.registry.device(claimableBy: text, at: ledger.now) == .failure(refusal))
    }
    #expect(ledger.decide { $0.claim(code: code, by: .parked, $1) }.failure == .unknownUser)
    #expect(ledger.decide { $0.claim(code: code, by: UserID(9), $1) }.failure == .unknownUser)
    _ = alice
  }

  @Test("L-23 T-09: a shared prefix is ambiguous, more digits and the full code claim")
  func ambiguity() {
    var ledger = Ledger()
    let alice = ledger.user("alice")
    let codes = [
      "a": "abcdef00000000000000000000000000", "b": "abcdef00000000010000000000000000",
      "c": "abcdef00000000010000000000000001",
    ]
    for id in ["a", "b", "c"] {
      _ = ledger.device(id)
      ledger.record([
        ledger.context.event(
          ledger.registry,
          .codeIssued(device: id, code: AssociationCode(codes[id]!)!, expiresAt: .max))
      ])
    }
    let registry = ledger.registry
    #expect(registry.device(claimableBy: "abcdef", at: 0) == .failure(.ambiguousCode))
    #expect(registry.device(claimableBy: "abcdef0000000001", at: 0) == .failure(.ambiguousCode))
    #expect(registry.device(claimableBy: "abcdef0000000000", at: 0) == .success("a"))
    for (id, code) in codes {
      #expect(registry.device(claimableBy: code, at: 0) == .success(id))
    }
    #expect(ledger.decide { $0.claim(code: "abcdef", by: alice, $1) }.failure == .ambiguousCode)
    ledger.decide { $0.claim(code: codes["a"]!, by: alice, $1) }
    ledger.decide { $0.claim(code: codes["b"]!, by: alice, $1) }
    #expect(ledger.registry.device(claimableBy: "abcdef", at: 0) == .success("c"))
  }

  @Test("L-24 L-29 T-09: of two claims with one code one wins, the other is told")
  func race() {
    var ledger = Ledger()
    let id = ledger.device()
    let (alice, bob) = (ledger.user("alice"), ledger.user("bob"))
    let code = ledger.code(id)
    #expect(ledger.decide { $0.claim(code: code, by: alice, $1) }.success != nil)
    #expect(ledger.decide { $0.claim(code: code, by: bob, $1) }.failure == .alreadyAssociated)
    #expect(ledger.log.filter { $0.kind.name == "device.associated" }.count == 1)
    #expect(ledger.registry.associations.owner(of: id) == alice)
  }

  @Test("L-26 T-09: a code claims up to the instant before its expiry; then it is renewed")
  func expiry() throws {
    var ledger = Ledger()
    let (id, alice) = (ledger.device(), ledger.user("alice"))
    let code = ledger.code(id)
    let end = ledger.now + 600_000_000_000
    #expect(ledger.registry.codes[id]?.expiresAt == end)
    #expect(ledger.registry.device(claimableBy: code, at: end - 1) == .success(id))
    #expect(!ledger.registry.needsCode(id, at: end - 1))
    ledger.now = end
    #expect(ledger.decide { $0.claim(code: code, by: alice, $1) }.failure == .expiredCode)
    #expect(ledger.registry.needsCode(id, at: end))
    let renewed = try #require(ledger.decide { $0.renewCode(of: id, $1) }.success)
    #expect(renewed.text != code)
    #expect(ledger.decide { $0.claim(code: code, by: alice, $1) }.failure == .invalidCode)
    #expect(ledger.decide { $0.claim(code: renewed.text, by: alice, $1) }.success?.device == id)
    #expect(ledger.decide { $0.renewCode(of: id, $1) }.failure == .alreadyAssociated)
  }

  @Test("L-26: five wrong tries in a row lock for 15 minutes; a claim sets the count back")
  func lockOut() {
    var ledger = Ledger()
    let (id, alice, bob) = (ledger.device(), ledger.user("alice"), ledger.user("bob"))
    let code = ledger.code(id)
    func wrong(_ index: Int) -> String { "00000000000000000000000000000\(100 + index)" }
    ledger.policy.codeLifetimeNanos = .max
    for index in 0..<4 { ledger.decide { $0.claim(code: wrong(index), by: alice, $1) } }
    #expect(ledger.registry.attempts[alice]?.count == 4)
    for index in 0..<5 { ledger.decide { $0.claim(code: wrong(index), by: bob, $1) } }
    let until = ledger.now + 900_000_000_000
    let count = ledger.log.count
    #expect(ledger.decide { $0.claim(code: code, by: bob, $1) }.failure == .locked(until: until))
    #expect(ledger.log.count == count)
    #expect(ledger.decide { $0.claim(code: code, by: alice, $1) }.success != nil)
    #expect(ledger.registry.attempts[alice] == nil)
    ledger.now = until
    let refusal = ledger.decide { $0.claim(code: wrong(9), by: bob, $1) }.failure
    #expect(refusal == .invalidCode)
    #expect(ledger.registry.attempts[bob]?.count == 1)
  }

  @Test("L-25 L-07: dissociation parks and gives a new code, also by association with nobody")
  func dissociation() {
    var ledger = Ledger()
    let (id, alice) = (ledger.device(), ledger.user("alice"))
    for _ in 0..<2 {
      let code = ledger.code(id)
      ledger.decide { $0.associate(id, with: alice, $1) }
      ledger.now += 1
      #expect(ledger.decide { $0.associate(id, with: .parked, $1) }.success != nil)
      #expect(ledger.code(id) != code)
      #expect(ledger.registry.associations.owner(of: id) == .parked)
      ledger.now += 1
    }
    #expect(ledger.decide { $0.dissociate(id, $1) }.failure == .notAssociated)
  }

  @Test("L-04: user.deleted is one event that parks every device, in the timeline too")
  func userDeletion() {
    var ledger = Ledger()
    let (alice, bob) = (ledger.user("alice"), ledger.user("bob"))
    for id in ["a1", "a2", "b1"] {
      _ = ledger.device(id)
      ledger.decide { $0.associate(id, with: id == "b1" ? bob : alice, $1) }
    }
    let before = ledger.now
    ledger.now += 100
    #expect(ledger.decide { $0.deleteUser(alice, $1) }.success == 2)
    let names = ledger.log.map(\.kind.name)
    #expect(names.filter { $0 == "user.deleted" }.count == 1)
    #expect(!names.contains("device.dissociated"))
    for id in ["a1", "a2"] {
      let associations = ledger.registry.associations
      #expect(associations.owner(of: id) == .parked)
      #expect(associations.owner(of: id, at: before) == alice)
      #expect(associations.owner(of: id, at: before + 99) == alice)
      #expect(associations.owner(of: id, at: before + 100) == .parked)
      #expect(ledger.registry.device(claimableBy: ledger.code(id), at: ledger.now) == .success(id))
    }
    #expect(ledger.registry.associations.owner(of: "b1") == bob)
    #expect(ledger.registry.users[named: "alice"] == nil)
    #expect(ledger.registry.users[alice]?.name == "alice")
    #expect(ledger.user("alice") != alice)
    var history = DeviceHistory(of: "a1")
    for event in ledger.log { history.apply(event) }
    #expect(history.events.map(\.kind.name).suffix(2) == ["user.deleted", "code.issued"])
  }

  @Test("L-28 T-01: the owner changes between two samples 50 ms apart")
  func ownerAtInstant() {
    var ledger = Ledger()
    let (id, alice, bob) = (ledger.device(), ledger.user("alice"), ledger.user("bob"))
    let first = ledger.now + 1_000_000_000
    ledger.decide { $0.associate(id, with: alice, $1) }
    ledger.now += 5_000_000_000
    ledger.decide { $0.associate(id, with: bob, at: first + 50_000_000, $1) }
    let associations = ledger.registry.associations
    #expect(associations.owner(of: id, at: first) == alice)
    #expect(associations.owner(of: id, at: first + 49_999_999) == alice)
    #expect(associations.owner(of: id, at: first + 50_000_000) == bob)
    #expect(associations.owner(of: id, at: .min) == .parked)
    let runs = associations.owners(of: id, during: first..<(first + 100_000_000))
    #expect(runs.map(\.owner) == [alice, bob])
    #expect(runs.map(\.range.lowerBound) == [first, first + 50_000_000])
    #expect(
      ledger.decide { $0.associate(id, with: alice, at: first, $1) }.failure == .beforeExisting)
    #expect(
      ledger.decide { $0.associate(id, with: alice, at: $1.now + 1, $1) }.failure == .future)
  }

  @Test("T-01: the interval index equals a naive fold at random instants")
  func indexAgainstFold() {
    for seed in 1...40 as ClosedRange<UInt64> {
      let random = SeededRNG(seed)
      var timeline = OwnerTimeline()
      var facts: [(at: Int64, lsn: LSN, owner: UserID)] = []
      func naive(_ instant: Int64) -> UserID {
        facts.filter { $0.at <= instant }.max { ($0.at, $0.lsn) < ($1.at, $1.lsn) }?.owner
          ?? .parked
      }
      for lsn in 1...60 as ClosedRange<UInt64> {
        let at = Int64(random.below(50))
        let owner = UserID(UInt64(1 + random.below(4)))
        facts.append((at, lsn, owner))
        timeline.insert(OwnerTimeline.Transition(at: at, owner: owner, lsn: lsn))
        for instant in -1...51 as ClosedRange<Int64> {
          #expect(timeline.owner(at: instant) == naive(instant), "seed \(seed)")
        }
        let low = Int64(random.below(50)) - 1
        let high = low + Int64(random.below(30))
        let runs = timeline.owners(during: low..<high)
        #expect(runs.first?.range.lowerBound ?? low == low)
        #expect(runs.last?.range.upperBound ?? high == high)
        for (run, next) in zip(runs, runs.dropFirst()) {
          #expect(run.range.upperBound == next.range.lowerBound && run.owner != next.owner)
        }
        for instant in low..<high {
          let hits = runs.filter { $0.range.contains(instant) }
          #expect(hits.count == 1 && hits.first?.owner == naive(instant), "seed \(seed)")
        }
      }
    }
  }
}
