import Foundation
import Hummingbird
import Query
import TSEngine

/// `POST /api/devices/{id}/sensor`: what people say of a sensor (P-37). What is left out stays; null takes away.
extension RegistryCommand {
  /// A text that is given, or taken away.
  enum Change: Decodable {
    case text(String)
    case none

    init(from decoder: any Decoder) throws {
      let value = try decoder.singleValueContainer()
      self = value.decodeNil() ? .none : .text(try value.decode(String.self))
    }

    var field: FieldValue {
      switch self {
      case .text(let text): .text(text)
      case .none: .null
      }
    }
  }

  func describeSensor(_ id: String) async throws -> Response {
    let given = body.sensor ?? [:]
    guard !given.isEmpty || body.address != nil else {
      throw Refused.badRequest(#"The body lacks "sensor": {"category", "status", "registered_at", "part_of"} or "address""#)
    }
    var fields: [String: FieldValue] = [:]
    for (name, change) in given { fields[name == "status" ? "sensor_status" : name] = change.field }
    if let instant = fields["registered_at"] {
      do throws(FieldProblem) {
        fields["registered_at"] = try FieldForm.sensor("registered_at", instant)
      } catch {
        throw Refused.badRequest(error.sentence)
      }
    }
    if let address = body.address {
      guard address.count <= Registry.addressLineCount else {
        throw Refused.badRequest("\"address\" has at most \(Registry.addressLineCount) lines")
      }
      for line in 0..<Registry.addressLineCount {
        fields["address\(line + 1)"] = line < address.count && !address[line].isEmpty ? .text(address[line]) : .null
      }
    }
    let wanted = fields
    _ = try await decide { $0.describeSensor(id, wanted, $1) }
    let registry = try door.store.wholeRegistry()
    guard let device = registry.devices[id] else { throw Refused(.unknownDevice) }
    return Reply.json(RegistryJSON.device(device, registry))
  }
}

extension HTTPDoor {
  private static let devicePageLimit = 10_000

  /// `GET /api/devices?owner=&search=&category=&after=&page=&limit=`: newest first (D-10), a page at a time; `search`, or
  /// `sensor`, is a part of the id, the name or the owner's name, `after` the last id of the page before; pages count from 1.
  func listDevices(_ request: Request, _ registry: Registry) throws -> Response {
    func text(_ name: String) -> String? { request.uri.queryParameters[name[...]].map(String.init) }
    let limit = min(try Self.number(request, "limit") ?? Self.devicePageLimit, Self.devicePageLimit)
    let owner = try text("owner").map { name in
      guard let user = registry.users[named: name] else { throw Refused(.unknownUser) }
      return user.id
    }
    var filter = DeviceFilter()
    (filter.owner, filter.search, filter.category) = (owner, text("search") ?? text("sensor"), text("category"))
    (filter.after, filter.limit) = (text("after"), limit)
    let number = try Self.number(request, "page") ?? 1
    guard (1...1_000_000).contains(number) else { throw Refused.badRequest("page is a number from 1 on") }
    filter.skip = (number - 1) * limit
    return Reply.json(RegistryJSON.list(filter.page(registry).map { RegistryJSON.device($0, registry) }))
  }
}
