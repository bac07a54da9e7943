import Testing

@testable import TSEngine

/// T-05: a replay on two threads gives the registry of one that applies event by event.
@Suite struct RegistryReplayTests {
  private enum Way: CaseIterable { case threads, noThreads, noHelper }

  /// A scheduler of a process that may have no further thread.
  private struct Exhausted: Scheduler {
    func run(
      _: String, yields _: Bool, _: @escaping @Sendable () -> StepOutcome
    ) throws(StorageError) -> any Wakeable { throw StorageError(.io, "no thread") }
  }

  private func scheduler(_ way: Way) -> (any Scheduler)? {
    switch way {
    case .threads: ThreadScheduler()
    case .noThreads: Exhausted()
    case .noHelper: nil
    }
  }

  /// Events and records that meet: few devices and people, all kinds.
  private func entries(_ random: SeededRNG, _ count: Int) -> [RegistryReplay.Entry] {
    let users = (1...5).map { UserID(UserID.firstRandom + UInt64($0)) }
    var lsn: LSN = 0
    var entries: [RegistryReplay.Entry] = []
    func add(_ kind: EventKind) {
      lsn += 1 + LSN(random.below(2))
      entries.append(
        .event(
          Event(
            lsn: lsn, id: EventID(high: 1, low: lsn), recordedAt: Int64(lsn), effectiveAt: Int64(random.below(10_000)),
            actor: .system, kind: kind)))
    }
    for (number, user) in users.enumerated() {
      add(.userCreated(user: user, name: "user\(number)", isAdmin: false, isActive: true))
    }
    while entries.count < count {
      let (device, user) = ("m\(random.below(12))", users[random.below(users.count)])
      switch random.below(14) {
      case 0: add(.deviceCreated(device: device, type: DeviceType.lampi, name: device))
      case 1: add(.deviceDiscovered(device: device, type: DeviceType.power, name: device, interface: "mqtt"))
      case 2 where random.below(4) == 0: add(.deviceDeleted(device: device))
      case 3:
        let code = AssociationCode(high: random.next(), low: random.next())
        add(.codeIssued(device: device, code: code, expiresAt: Int64(lsn) + 100))
      case 4, 5: add(.deviceAssociated(device: device, user: user, previousUser: .parked, via: .admin))
      case 6: add(.deviceDissociated(device: device, previousUser: user))
      case 7: add(.deviceFieldChanged(device: device, field: "floor", value: .int(Int64(random.below(9)))))
      case 8: add(.deviceStatusChanged(device: device, status: [.online, .offline, .error][random.below(3)], lastSeen: nil))
      case 9: add(.announcementConfirmed(device: device, stateLSN: LSN(random.below(Int(lsn) + 1))))
      case 10 where random.below(50) == 0: add(.userDeleted(user: user))
      case 11:
        let kind = OperationalKind.connectionChanged(
          device: device, interface: "mqtt", connected: random.below(2) == 0, source: "b")
        entries.append(.record(OperationalRecord(lsn: lsn, recordedAt: Int64(lsn), kind: kind)))
      case 12: add(EventSamples.kinds[random.below(EventSamples.kinds.count)])
      default: add(.deviceRenamed(device: device, name: "n\(random.below(100))"))
      }
    }
    return entries
  }

  @Test(arguments: [0, 1, 4_095, 4_096, 60_000], Way.allCases)
  private func theReplayEqualsTheFold_T05(_ count: Int, _ way: Way) throws {
    let entries = entries(SeededRNG(UInt64(count)), count)
    var folded = Registry()
    // Also behind a checkpoint.
    let known = entries.prefix(count / 3)
    for (place, entry) in entries.enumerated() where place < known.count { folded.take(entry) }
    let replay = RegistryReplay(folded, on: scheduler(way))
    var feed = RegistryReplay.Feed()
    for entry in entries.dropFirst(known.count) {
      replay.add(entry, &feed)
      folded.take(entry)
    }
    let replayed = replay.finish(&feed)
    replay.end()
    #expect(replayed == folded)
    #expect(replayed.digest == folded.digest && replayed.checkpoint() == folded.checkpoint())
  }

  /// The reader met damage: what it added goes nowhere, and nobody is left behind.
  @Test func aReplayMayEndEarly() {
    let replay = RegistryReplay(Registry(), on: ThreadScheduler())
    var feed = RegistryReplay.Feed()
    for entry in entries(SeededRNG(9), 9_000) { replay.add(entry, &feed) }
    replay.end()
  }
}

extension Registry {
  fileprivate mutating func take(_ entry: RegistryReplay.Entry) {
    switch entry {
    case .event(let event): apply(event)
    case .record(let record): apply(record)
    }
  }
}
