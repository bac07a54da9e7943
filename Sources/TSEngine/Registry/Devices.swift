import HashTreeCollections

/// A device as it stands now.
package struct Device: Sendable, Equatable {
  package let id: String
  /// `lampi`, `power` or the name of a declared type.
  package let type: String
  package var name: String
  /// Set once: when it came into being this time (a deleted device may come again).
  package let createdAt: Int64
  package let createdLSN: LSN
  package var updatedAt: Int64
  /// Fields set beside the ones above, by name.
  package var fields: [String: FieldValue] = [:]
}

package enum DeviceType {
  package static let lampi = "lampi"
  package static let power = "power"
  package static let lampiDefaultName = "My LAMPI"
}

/// The devices there are. Copies share what did not change.
package struct Devices: Sendable, Equatable {
  private var byID = LayeredMap<Device>()
  /// Ids of those whose status says that they are there.
  private var claiming: TreeSet<String> = []

  package init() {}

  package var count: Int { byID.count }
  package subscript(id: String) -> Device? { byID[id] }
  /// Those whose status says that they are there; in no order.
  package var claimingPresence: some Sequence<Device> { claiming.lazy.compactMap { byID[$0] } }
  package var isAnyoneClaimingPresence: Bool { !claiming.isEmpty }
  /// The newest first (D-10). O(n log n).
  package func newestFirst() -> [Device] { sorted().sorted { $0.createdLSN > $1.createdLSN } }
  package func contains(_ id: String) -> Bool { byID[id] != nil }
  /// Forgets when it was heard of, where that was before `instant`.
  mutating func hideLastSeen(of id: String, before instant: Int64) {
    byID.update(id) { device in
      if case .int(let time)? = device.fields[DeviceField.lastSeen], time < instant {
        device.fields[DeviceField.lastSeen] = nil
      }
    }
  }

  /// Ascending by id. O(n).
  package func sorted() -> [Device] {
    var all: [Device] = []
    all.reserveCapacity(count)
    byID.forEach { all.append($1) }
    return all
  }

  /// Those of `ids` alone.
  func only(_ ids: [String]) -> Devices {
    var some = Devices()
    for id in ids {
      guard let device = byID[id] else { continue }
      some.byID[id] = device
      if claiming.contains(id) { some.claiming.insert(id) }
    }
    return some
  }

  mutating func apply(_ event: Event) {
    switch event.kind {
    case .deviceDiscovered(let id, let type, let name, _), .deviceCreated(let id, let type, let name):
      // The second discovery of an id creates nothing (L-02).
      guard byID[id] == nil else { return }
      byID[id] = Device(
        id: id, type: type, name: name, createdAt: event.effectiveAt, createdLSN: event.lsn,
        updatedAt: event.effectiveAt)
    case .deviceRenamed(let id, let name):
      update(id, event) { $0.name = name }
    case .deviceFieldChanged(let id, let field, let value):
      update(id, event) { $0.fields[field] = value == .null ? nil : value }
      if field == DeviceField.status { noteClaim(id) }
    case .deviceStatusChanged(let id, let status, let lastSeen, _):
      update(id, event) { device in
        device.fields[DeviceField.status] = status == .offline ? nil : .text(status.rawValue)
        if let lastSeen { device.fields[DeviceField.lastSeen] = .int(lastSeen) }
      }
      noteClaim(id)
    case .deviceDeleted(let id):
      byID[id] = nil
      claiming.remove(id)
    default: break
    }
  }

  private mutating func update(_ id: String, _ event: Event, _ change: (inout Device) -> Void) {
    byID.update(id) { device in
      change(&device)
      device.updatedAt = event.effectiveAt
    }
  }

  private mutating func noteClaim(_ id: String) {
    if byID[id]?.status.claimsPresence == true { claiming.insert(id) } else { claiming.remove(id) }
  }
}

extension Devices: Checkpointed {
  func encode(into writer: inout ByteWriter) {
    writer.varint(count)
    byID.forEach { _, device in
      writer.string(device.id)
      writer.string(device.type)
      writer.string(device.name)
      writer.put(device.createdAt)
      writer.varint(device.createdLSN)
      writer.put(device.updatedAt)
      writer.fields(device.fields)
    }
  }

  init(from reader: inout ByteReader) throws(StorageError) {
    var base = LayeredMap<Device>.Base(count: try reader.count(limit: reader.remaining))
    while !base.isFull {
      var device = Device(
        id: try reader.string(), type: try reader.string(), name: try reader.string(),
        createdAt: try reader.next(Int64.self), createdLSN: try reader.varint(),
        updatedAt: try reader.next(Int64.self))
      device.fields = try reader.fields()
      if device.status.claimsPresence { claiming.insert(device.id) }
      try base.append(device.id, device)
    }
    byID = LayeredMap(base)
  }
}
