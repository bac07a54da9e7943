import HashTreeCollections

/// The outbox of retained messages: what each announced device's topic should hold, and up to
/// where the broker confirmed it (L-21, L-30).
///
/// A state is named by the LSN of the record that brought it about. It is pending until that LSN
/// is confirmed; what was confirmed is not published again, so a message that a person cleared by
/// hand stays cleared until the state changes or is asked for.
package struct Announcements: Sendable, Equatable {
  package enum State: Sendable, Equatable {
    case unassociated(AssociationCode)
    case associated
    /// The device is gone: an empty retained payload takes the message off the broker.
    case cleared

    /// The retained payload.
    package var payload: String {
      switch self {
      case .unassociated(let code): #"{"associated": false, "code": "\#(code.text)"}"#
      case .associated: #"{"associated": true}"#
      case .cleared: ""
      }
    }
  }

  package struct Entry: Sendable, Equatable {
    package let device: String
    package var state: State
    package var stateLSN: LSN
    package var confirmedLSN: LSN = 0

    package var isPending: Bool { confirmedLSN < stateLSN }
    /// `devices/<device_id>/lamp/associated`
    package var topic: String { "devices/\(device)/lamp/associated" }
  }

  private var byDevice = LayeredMap<Entry>()
  private var pendingDevices: TreeSet<String> = []

  package init() {}

  package subscript(device: String) -> Entry? { byDevice[device] }
  package var hasPending: Bool { !pendingDevices.isEmpty }
  /// What is to be published, in the order in which it came about. O(k log k).
  package func pending() -> [Entry] {
    pendingDevices.compactMap { byDevice[$0] }
      .sorted { ($0.stateLSN, $0.device) < ($1.stateLSN, $1.device) }
  }

  /// Devices of this type have an `associated` topic.
  package static func isAnnounced(type: String) -> Bool { type == DeviceType.lampi }

  mutating func apply(_ event: Event, devices: Devices) {
    switch event.kind {
    case .codeIssued(let device, let code, _) where Self.isAnnounced(device, devices):
      set(device, .unassociated(code), event.lsn)
    case .deviceAssociated(let device, _, _, _) where Self.isAnnounced(device, devices):
      set(device, .associated, event.lsn)
    case .deviceDeleted(let device) where byDevice[device] != nil:
      set(device, .cleared, event.lsn)
    case .announcementRequested(let device):
      if let entry = byDevice[device] { set(device, entry.state, event.lsn) }
    case .announcementConfirmed(let device, let stateLSN):
      confirm(device, stateLSN)
    default: break
    }
  }

  /// Whether the device has a topic at all.
  private static func isAnnounced(_ device: String, _ devices: Devices) -> Bool {
    devices[device].map { isAnnounced(type: $0.type) } ?? false
  }

  private mutating func set(_ device: String, _ state: State, _ lsn: LSN) {
    var entry = byDevice[device] ?? Entry(device: device, state: state, stateLSN: lsn)
    entry.state = state
    entry.stateLSN = lsn
    byDevice[device] = entry
    pendingDevices.insert(device)
  }

  private mutating func confirm(_ device: String, _ lsn: LSN) {
    guard var entry = byDevice[device], lsn > entry.confirmedLSN, lsn <= entry.stateLSN else {
      return
    }
    entry.confirmedLSN = lsn
    byDevice[device] = !entry.isPending && entry.state == .cleared ? nil : entry
    if !entry.isPending { pendingDevices.remove(device) }
  }
}

extension Announcements: Checkpointed {
  func encode(into writer: inout ByteWriter) {
    writer.varint(byDevice.count)
    byDevice.forEach { _, entry in
      writer.string(entry.device)
      switch entry.state {
      case .unassociated(let code):
        writer.put(UInt8(1))
        writer.put(code.high)
        writer.put(code.low)
      case .associated: writer.put(UInt8(2))
      case .cleared: writer.put(UInt8(3))
      }
      writer.varint(entry.stateLSN)
      writer.varint(entry.confirmedLSN)
    }
  }

  init(from reader: inout ByteReader) throws(StorageError) {
    var base = LayeredMap<Entry>.Base(count: try reader.count(limit: reader.remaining))
    while !base.isFull {
      let device = try reader.string()
      let state: State
      switch try reader.next(UInt8.self) {
      case 1:
        state = .unassociated(
          AssociationCode(high: try reader.next(UInt64.self), low: try reader.next(UInt64.self)))
      case 2: state = .associated
      case 3: state = .cleared
      case let other: throw StorageError(.corrupt, "announcement state \(other)")
      }
      var entry = Entry(device: device, state: state, stateLSN: try reader.varint())
      entry.confirmedLSN = try reader.varint()
      try base.append(device, entry)
      if entry.isPending { pendingDevices.insert(device) }
    }
    byDevice = LayeredMap(base)
  }
}
