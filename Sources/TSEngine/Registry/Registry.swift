/// What the store knows about devices, users and types: a replay of the log's events.
///
/// A value: `apply` does no I/O, asks no clock and never fails, so the same events in the order
/// of their LSNs give the same registry and the same digest in any process. Copies share their
/// structure; the writer applies to its own and hands out copies as snapshots.
package struct Registry: Sendable, Equatable {
  package private(set) var devices = Devices()
  package private(set) var users = Users()
  package private(set) var associations = Associations()
  package private(set) var codes = AssociationCodes()
  package private(set) var attempts = ClaimAttempts()
  package private(set) var announcements = Announcements()
  package private(set) var tokens = Tokens()
  package private(set) var types = Types()
  package private(set) var lifecycles = Lifecycles()
  package private(set) var rollups = Rollups()
  package private(set) var credentials = Credentials()
  package private(set) var commands = Commands()
  /// From operational records; not covered by `digest`.
  package private(set) var connections = Connections()
  /// From messages; neither in `digest` nor in a checkpoint.
  package private(set) var presence = Presence()

  /// The last event applied, or 0.
  package private(set) var lastEventLSN: LSN = 0
  /// Its `recordedAt`: decisions never record an earlier time, also when the clock was set back.
  package private(set) var lastRecordedAt = Int64.min

  package init() {}

  /// Applies the next event. One at or below `lastEventLSN` is known already and changes nothing,
  /// so a replay may overlap what a checkpoint holds.
  package mutating func apply(_ event: Event) {
    guard event.lsn > lastEventLSN else { return }
    applyToThings(event)
    applyToPeople(event)
    note(event)
  }

  private mutating func applyToThings(_ event: Event) {
    devices.apply(event)
    announcements.apply(event, devices: devices)
    types.apply(event)
    lifecycles.apply(event, types: types)
    rollups.apply(event)
    if case .deviceDeleted(let device) = event.kind { presence.forget(device) }
  }

  private mutating func applyToPeople(_ event: Event) {
    users.apply(event)
    associations.apply(event)
    codes.apply(event)
    attempts.apply(event)
    tokens.apply(event)
    credentials.apply(event)
    commands.apply(event)
  }

  private mutating func note(_ event: Event) {
    lastEventLSN = event.lsn
    lastRecordedAt = max(lastRecordedAt, event.recordedAt)
  }

  package mutating func apply(_ record: OperationalRecord) {
    connections.apply(record)
    // A frame of a meter has no payload here: its stream of readings tells that it is there.
    if case .messageReceived(let message) = record.kind, !message.payload.isEmpty, !message.retained { note(message, at: record.recordedAt) }
  }

  /// Strangers leave no trace.
  private mutating func note(_ message: ReceivedMessage, at time: Int64) {
    if devices.contains(message.device) { presence.note(message.device, at: time) }
  }

  /// Takes over what older messages say.
  mutating func recall(_ older: [String: Int64]) {
    for (device, time) in older where devices.contains(device) { presence.note(device, at: time) }
  }

  /// This registry after `events`, numbered from the next LSN on if they have no LSN yet: the
  /// view for a further decision in the same batch.
  package func after(_ events: [Event]) -> Registry {
    var next = self
    for var event in events {
      if event.lsn == 0 { event.lsn = next.lastEventLSN + 1 }
      next.apply(event)
    }
    return next
  }

  /// What `viewer` may know: themselves, the devices that are theirs now, when others were; and what is about
  /// nobody: types, rollups, what befell readings. No code, no hash and no try.
  /// - Complexity: O(their devices + tokens).
  func seen(by viewer: Viewer) -> Registry {
    var seen = Registry()
    let mine: [String]
    switch viewer {
    case .user(let user):
      mine = user == .parked ? [] : associations.devices(of: user)
      seen.users = users.only(user == .parked ? nil : user)
      seen.associations = associations.seen(by: user)
    case .device(let device): mine = [device]
    }
    seen.devices = devices.only(mine)
    seen.credentials = credentials.only(mine)
    // What came before its newest owner is not theirs.
    let since = { associations.timeline(of: $0).newestSince ?? .min }
    seen.connections = connections.only(mine) { $1 >= since($0) }
    seen.presence = presence.only(mine) { $1 >= since($0) }
    for device in mine { seen.devices.hideLastSeen(of: device, before: since(device)) }
    seen.tokens = tokens.only(viewer)
    (seen.types, seen.lifecycles, seen.rollups) = (types, lifecycles, rollups)
    seen.setPosition(lsn: lastEventLSN, recordedAt: lastRecordedAt)
    return seen
  }

  /// The same without the codes by which devices are claimed.
  func withoutCodes() -> Registry {
    var same = self
    same.codes = AssociationCodes()
    return same
  }

  // MARK: Halves

  /// Projections of one half never ask those of the other, so a replay may apply to each by itself.
  enum Half: Int, CaseIterable {
    case things, people
  }

  /// This half of the registry; the other one is empty.
  func half(_ half: Half) -> Registry {
    var part = self
    switch half {
    case .things: part.takePeople(of: Registry())
    case .people: part.takeThings(of: Registry())
    }
    return part
  }

  /// Two halves that have seen the same.
  init(things: Registry, people: Registry) {
    self = things
    takePeople(of: people)
  }

  mutating func apply(_ event: Event, to half: Half) {
    guard event.lsn > lastEventLSN else { return }
    switch half {
    case .things: applyToThings(event)
    case .people: applyToPeople(event)
    }
    note(event)
  }

  private mutating func takeThings(of other: Registry) {
    devices = other.devices
    announcements = other.announcements
    types = other.types
    lifecycles = other.lifecycles
    rollups = other.rollups
    connections = other.connections
    presence = other.presence
  }

  private mutating func takePeople(of other: Registry) {
    users = other.users
    associations = other.associations
    codes = other.codes
    attempts = other.attempts
    tokens = other.tokens
    credentials = other.credentials
    commands = other.commands
  }

  /// The projections in the order of `canonicalBytes`.
  mutating func decodeProjections(from reader: inout ByteReader) throws(StorageError) {
    devices = try Devices(from: &reader)
    users = try Users(from: &reader)
    associations = try Associations(from: &reader)
    codes = try AssociationCodes(from: &reader)
    attempts = try ClaimAttempts(from: &reader)
    announcements = try Announcements(from: &reader)
    tokens = try Tokens(from: &reader)
    types = try Types(from: &reader)
    if !reader.isAtEnd { lifecycles = try Lifecycles(from: &reader) }
    if !reader.isAtEnd { rollups = try Rollups(from: &reader) }
    if !reader.isAtEnd { credentials = try Credentials(from: &reader) }
    if !reader.isAtEnd { commands = try Commands(from: &reader) }
  }

  mutating func decodeConnections(from reader: inout ByteReader) throws(StorageError) {
    connections = try Connections(from: &reader)
  }

  mutating func setPosition(lsn: LSN, recordedAt: Int64) {
    lastEventLSN = lsn
    lastRecordedAt = recordedAt
  }
}
