import HashTreeCollections

/// Whose device each one is and was. Keeps its whole history: `owner` of a reading is asked at
/// the reading's own instant (T-01). Devices that were always parked take no room here.
package struct Associations: Sendable, Equatable {
  private var byDevice: TreeDictionary<String, OwnerTimeline> = [:]
  /// Devices by their newest owner; the parked user's are not listed.
  private var byOwner: TreeDictionary<UserID, TreeSet<String>> = [:]
  /// Devices by people who had them before; derived, and it may name such as have them again.
  private var formerByOwner: TreeDictionary<UserID, TreeSet<String>> = [:]

  package init() {}

  /// What is derived follows.
  package static func == (a: Associations, b: Associations) -> Bool { a.byDevice == b.byDevice }

  /// The owner of `device` at `instant`; the parked user for one that was never associated.
  /// - Complexity: O(log n) in the device's transitions.
  package func owner(of device: String, at instant: Int64) -> UserID {
    byDevice[device]?.owner(at: instant) ?? .parked
  }

  /// The owner after all that is known.
  package func owner(of device: String) -> UserID { byDevice[device]?.newest ?? .parked }

  /// See `OwnerTimeline.owners(during:)`.
  package func owners(
    of device: String, during range: Range<Int64>
  ) -> [(range: Range<Int64>, owner: UserID)] {
    timeline(of: device).owners(during: range)
  }

  package func timeline(of device: String) -> OwnerTimeline { byDevice[device] ?? OwnerTimeline() }

  /// The devices of a person, ascending. O(k log k).
  package func devices(of user: UserID) -> [String] { byOwner[user]?.sorted() ?? [] }

  /// The devices that a person has or had, in no order.
  func everOwned(by user: UserID) -> some Sequence<String> {
    (byOwner[user] ?? []).union(formerByOwner[user] ?? [])
  }

  /// What is one user's, or nobody's where that is nil: other people's time is nobody's.
  func seen(by user: UserID?) -> Associations {
    var seen = Associations()
    guard let user, user != .parked else { return seen }
    for device in everOwned(by: user) {
      for transition in timeline(of: device).seen(by: user).transitions { seen.record(device, transition) }
    }
    return seen
  }

  /// The devices that ever changed hands, for binding a whole query. Order is unspecified.
  package var timelines: some Sequence<(key: String, value: OwnerTimeline)> { byDevice }

  mutating func apply(_ event: Event) {
    switch event.kind {
    case .deviceAssociated(let device, let user, _, _):
      record(device, user, at: event.effectiveAt, event.lsn)
    case .deviceDissociated(let device, _), .deviceDeleted(let device):
      if owner(of: device) != .parked { record(device, .parked, at: event.effectiveAt, event.lsn) }
    case .userDeleted(let user):
      guard user != .parked else { return }
      for device in devices(of: user) {
        // Never before the association it ends: a clock that was ahead must not give it back.
        let at = max(event.effectiveAt, byDevice[device]?.newestSince ?? event.effectiveAt)
        record(device, .parked, at: at, event.lsn)
      }
    default: break
    }
  }

  private mutating func record(_ device: String, _ owner: UserID, at instant: Int64, _ lsn: LSN) {
    record(device, OwnerTimeline.Transition(at: instant, owner: owner, lsn: lsn))
  }

  private mutating func record(_ device: String, _ transition: OwnerTimeline.Transition) {
    let (before, after) = byDevice.updateValue(forKey: device, default: OwnerTimeline()) { timeline in
      let before = timeline.newest
      timeline.insert(transition)
      return (before, timeline.newest)
    }
    if transition.owner != after { noteFormer(transition.owner, of: device) }
    if before != after { move(device, from: before, to: after) }
  }

  private mutating func noteFormer(_ owner: UserID, of device: String) {
    if owner != .parked { formerByOwner[owner, default: []].insert(device) }
  }

  private mutating func move(_ device: String, from before: UserID, to after: UserID) {
    noteFormer(before, of: device)
    if before != .parked {
      // In place: an owner may have a whole fleet.
      byOwner[before]?.remove(device)
      if byOwner[before]?.isEmpty == true { byOwner[before] = nil }
    }
    if after != .parked { byOwner[after, default: []].insert(device) }
  }
}

extension Associations: Checkpointed {
  func encode(into writer: inout ByteWriter) {
    writer.varint(byDevice.count)
    for (device, timeline) in byDevice.sorted(by: { $0.key < $1.key }) {
      writer.string(device)
      writer.varint(timeline.transitions.count)
      for transition in timeline.transitions {
        writer.put(transition.at)
        writer.put(transition.owner.raw)
        writer.varint(transition.lsn)
      }
    }
  }

  init(from reader: inout ByteReader) throws(StorageError) {
    for _ in 0..<(try reader.count(limit: reader.remaining)) {
      let device = try reader.string()
      var timeline = OwnerTimeline()
      for _ in 0..<(try reader.count(limit: reader.remaining)) {
        timeline.insert(
          OwnerTimeline.Transition(
            at: try reader.next(Int64.self), owner: UserID(try reader.next(UInt64.self)),
            lsn: try reader.varint()))
      }
      byDevice[device] = timeline
      for former in timeline.transitions where former.owner != timeline.newest { noteFormer(former.owner, of: device) }
      if timeline.newest != .parked { move(device, from: .parked, to: timeline.newest) }
    }
  }
}
