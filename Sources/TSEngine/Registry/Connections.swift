import HashTreeCollections

/// Which devices are connected, from operational records. Not in the registry's digest: those
/// records have a retention, and replaying what is left of them need not give the same.
package struct Connections: Sendable, Equatable {
  package struct Connection: Sendable, Equatable {
    package let isConnected: Bool
    /// Server time of the change, nanoseconds since the Unix epoch.
    package let since: Int64
    package let interface: String
    package let lsn: LSN
  }

  private var byDevice = LayeredMap<Connection>()
  /// Devices that are connected now; derived.
  package private(set) var connected: TreeSet<String> = []

  package init() {}

  package subscript(device: String) -> Connection? { byDevice[device] }

  /// Whether `connected` is news. A retained state that the broker repeats is not (L-14); the
  /// first word about a device is, also when it says "disconnected".
  package func isChange(device: String, connected: Bool) -> Bool {
    byDevice[device]?.isConnected != connected
  }

  /// Those of `devices` alone that `isWanted` since when they are.
  func only(_ devices: [String], where isWanted: (String, Int64) -> Bool) -> Connections {
    var some = Connections()
    for device in devices {
      guard let connection = byDevice[device], isWanted(device, connection.since) else { continue }
      some.byDevice[device] = connection
      if connection.isConnected { some.connected.insert(device) }
    }
    return some
  }

  mutating func apply(_ record: OperationalRecord) {
    guard case .connectionChanged(let device, let interface, let connected, _) = record.kind,
      record.lsn > (byDevice[device]?.lsn ?? 0)
    else { return }
    byDevice[device] = Connection(
      isConnected: connected, since: record.recordedAt, interface: interface, lsn: record.lsn)
    if connected { self.connected.insert(device) } else { self.connected.remove(device) }
  }
}

extension Connections: Checkpointed {
  func encode(into writer: inout ByteWriter) {
    writer.varint(byDevice.count)
    byDevice.forEach { device, connection in
      writer.string(device)
      writer.put(UInt8(connection.isConnected ? 1 : 0))
      writer.put(connection.since)
      writer.string(connection.interface)
      writer.varint(connection.lsn)
    }
  }

  init(from reader: inout ByteReader) throws(StorageError) {
    var base = LayeredMap<Connection>.Base(count: try reader.count(limit: reader.remaining))
    while !base.isFull {
      let device = try reader.string()
      let isConnected = try reader.next(UInt8.self) != 0
      if isConnected { connected.insert(device) }
      try base.append(
        device,
        Connection(
          isConnected: isConnected, since: try reader.next(Int64.self),
          interface: try reader.string(), lsn: try reader.varint()))
    }
    byDevice = LayeredMap(base)
  }
}
