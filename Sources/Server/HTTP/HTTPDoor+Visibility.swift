import Foundation
import Hummingbird
import Query
import TSEngine

/// What whoever is no administrator reads of the registry (T-04): what is theirs. The bounds of readings and
/// records are the snapshot's (`Snapshot.seen(by:)`); here are those of paths.
extension HTTPDoor {
  /// What is told of a device that was the viewer's once and is no longer.
  private static let bounded: Set<String> = ["history", "commands", "readings", "messages"]

  /// Something else's path is refused alike whether there is such a thing or not.
  func requireSeen(_ path: [String], by admitted: Admission) throws {
    guard let viewer = admitted.viewer else { return }
    let registry = try wholeRegistry(for: admitted)
    switch (path.first, path.count) {
    case ("devices", 2...):
      let isPast = path.count == 3 && Self.bounded.contains(path[2])
      let isSeen =
        isPast
        ? snapshot(for: admitted).visibleDevices?.contains(path[1]) ?? true : registry.devices.contains(path[1])
      guard isSeen else {
        throw Refused.forbidden(
          "This device is not yours; of one that was, /readings, /messages, /commands and /history tell of your time")
      }
    case ("devices", 1):
      if case .device = viewer { throw Refused.forbidden("A device reads what is its own, at /api/devices/<its id>") }
    case ("users", _):
      guard case .user = viewer, path.count == 1 || registry.users[named: path[1]] != nil else {
        throw Refused.forbidden("Users are shown to administrators, and you to yourself")
      }
    default: break
    }
  }

  /// - Throws: `.corrupt` while a damaged journal may say otherwise.
  func wholeRegistry(for admitted: Admission) throws(StorageError) -> Registry {
    let snapshot = snapshot(for: admitted)
    try snapshot.requireWholeRegistry()
    return snapshot.registry
  }

  private static let rowLimit = 10_000

  /// `GET /api/devices/{id}/readings?from=&to=&limit=&format=` and `/messages?limit=&format=`: newest first.
  /// - Returns: nil for another path.
  func deviceRows(_ request: Request, _ path: [String]) throws -> QueryRequest? {
    guard path.count == 3, path[0] == "devices", ["readings", "messages"].contains(path[2]) else { return nil }
    let registry = try store.wholeRegistry()
    let limit = min(try Self.number(request, "limit") ?? 1_000, Self.rowLimit)
    let format = request.uri.queryParameters["format"].map(String.init)
    func instant(_ name: String, _ standard: Int64) throws -> SQLValue {
      guard let text = request.uri.queryParameters[name[...]] else { return .timestamp(standard) }
      guard let nanos = TimestampText.parse(String(text)) else {
        throw Refused.badRequest("\(name) is an instant with an offset, as 2026-01-01T00:00:00Z")
      }
      return .timestamp(nanos)
    }
    if path[2] == "messages" {
      let sql = "SELECT * FROM messages WHERE device_id = $1 ORDER BY lsn DESC LIMIT \(limit)"
      return try QueryRequest(sql, [.text(path[1])], format: format)
    }
    guard let device = registry.devices[path[1]] else { throw Refused(.unknownDevice) }
    guard let schema = registry.types[device.type]?.schema else { throw Refused(.unknownType) }
    let sql = "SELECT * FROM \"\(schema.name)\" WHERE device = $1 AND ts >= $2 AND ts < $3 "
      + "ORDER BY ts DESC, probe LIMIT \(limit)"
    let times = [try instant("from", .min), try instant("to", .max)]
    return try QueryRequest(sql, [.text(device.id)] + times, format: format)
  }
}
