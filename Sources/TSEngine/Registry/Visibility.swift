/// Who looks at a store without being its administrator.
package enum Viewer: Sendable, Hashable {
  /// A person: the instants at which a device was theirs.
  case user(UserID)
  /// A device: its own, since it last changed hands. Its key lies in the device, and goes to the next owner with it.
  case device(String)
}

/// What a viewer may see of devices, at the instants of the readings themselves. It goes by the timeline of
/// ownership as it is known now, whatever time a query travels to: a view of the past shows nobody more.
package struct Visibility: Sendable {
  package let viewer: Viewer
  private let associations: Associations
  /// Devices of which there may be anything to see: those that were ever the viewer's.
  package let devices: Set<String>

  init(_ viewer: Viewer, _ registry: Registry) {
    self.viewer = viewer
    associations = registry.associations
    switch viewer {
    case .user(let user): devices = user == .parked ? [] : Set(associations.everOwned(by: user))
    case .device(let device): devices = [device]
    }
  }

  /// Whether the viewer may see what `device` measured or did at `instant`. O(log transitions).
  package func sees(_ device: String, at instant: Int64) -> Bool {
    guard devices.contains(device) else { return false }
    switch viewer {
    case .user(let user): return associations.owner(of: device, at: instant) == user
    case .device: return instant >= start(of: device)
    }
  }

  /// From when on a device sees itself.
  private func start(of device: String) -> Int64 { associations.timeline(of: device).newestSince ?? .min }

  /// The instants of `device` that are not for the viewer: ascending, with others between them.
  /// - Complexity: O(transitions).
  func foreignTimes(of device: String) -> [ClosedRange<Int64>] {
    guard devices.contains(device) else { return [.min ... .max] }
    guard case .user(let user) = viewer else {
      let start = start(of: device)
      return start > .min ? [.min ... (start - 1)] : []
    }
    var foreign: [ClosedRange<Int64>] = []
    for (times, owner) in associations.owners(of: device, during: .min ..< .max) where owner != user {
      let last = times.upperBound == .max ? .max : times.upperBound - 1
      if let before = foreign.last, before.upperBound + 1 == times.lowerBound {
        foreign[foreign.count - 1] = before.lowerBound...last
      } else {
        foreign.append(times.lowerBound...last)
      }
    }
    return foreign
  }

  /// Whether all instants of `times` are the viewer's.
  func seesAll(of device: String, _ times: ClosedRange<Int64>) -> Bool {
    !foreignTimes(of: device).contains { $0.overlaps(times) }
  }
}

// MARK: - Records

extension Visibility {
  /// What the viewer is shown of an event: of their own devices and of themselves; never what it says of other
  /// people, nor who else did it and why.
  package func shown(_ event: Event) -> Event? {
    var shown = event
    switch event.kind {
    case .conflictResolved(let series, let time, _):
      guard sees(series.device, at: time) else { return nil }
    case .codeIssued: return nil
    case .deviceAssociated(let device, let user, _, let via):
      guard isMe(user, device) else { return nil }
      shown.kind = .deviceAssociated(device: device, user: hidden(user), previousUser: .parked, via: via)
    case .deviceDissociated(let device, let user):
      guard isMe(user, device) else { return nil }
      shown.kind = .deviceDissociated(device: device, previousUser: hidden(user))
    case .tokenIssued(let grant):
      guard isMe(grant.user ?? .parked, grant.role == .device ? grant.device ?? "" : "") else { return nil }
    case .deviceStatusChanged(let device, let status, let seen, let previous):
      guard sees(device, at: event.effectiveAt) else { return nil }
      // What it was before may have been another's to know.
      let wasMine = seen.map { sees(device, at: $0) } ?? false
      shown.kind = .deviceStatusChanged(
        device: device, status: status, lastSeen: wasMine ? seen : nil, previous: wasMine ? previous : nil)
    default:
      if let user = event.kind.user {
        guard viewer == .user(user) else { return nil }
      } else {
        guard let device = event.kind.device, sees(device, at: event.effectiveAt) else { return nil }
      }
    }
    shown.actor = Actor(event.actor.kind)
    shown.cause = Cause(lsn: event.cause.lsn)
    shown.correlation = ""
    return shown
  }

  private func isMe(_ user: UserID, _ device: String) -> Bool {
    switch viewer {
    case .user(let me): user == me
    case .device(let me): device == me
    }
  }

  private var isPerson: Bool { if case .user = viewer { true } else { false } }

  /// A device is told nothing of people.
  private func hidden(_ user: UserID) -> UserID { viewer == .user(user) ? user : .parked }

  /// What the viewer is shown of a record. The bytes of a message may hold readings of any time, so a person is
  /// shown that it came and what became of it; its readings are in the tables.
  package func shown(_ record: OperationalRecord) -> OperationalRecord? {
    var shown = record
    let device: String
    switch record.kind {
    case .connectionChanged(let id, _, _, _), .clockSynced(let id, _, _), .stateReported(let id, _, _): device = id
    case .callRecorded(var call):
      device = call.device
      if isPerson {
        call.body = ""
        shown.kind = .callRecorded(call)
      }
    case .messageReceived(var message):
      device = message.device
      if message.deviceTime != 0, !sees(device, at: message.deviceTime) { return nil }
      if isPerson {
        (message.payload, message.userProperties, message.extras, message.correlation) = ([], [], "", [])
        shown.kind = .messageReceived(message)
      }
    // What became of a message is only told with it; its error may repeat what the message said.
    case .messageProcessed(let lsn, let error):
      if isPerson, !error.isEmpty { shown.kind = .messageProcessed(messageLSN: lsn, error: "failed") }
      return shown
    case .authenticationFailed: return nil
    }
    return sees(device, at: record.recordedAt) ? shown : nil
  }
}

// MARK: - The registry

extension OwnerTimeline {
  /// Of the owners one is left; the others are nobody.
  func seen(by user: UserID) -> OwnerTimeline {
    var seen = OwnerTimeline()
    for transition in transitions {
      let isMine = transition.owner == user
      if !isMine, seen.newest == .parked { continue }
      seen.insert(Transition(at: transition.at, owner: isMine ? user : .parked, lsn: transition.lsn))
    }
    return seen
  }
}
