import Hummingbird
import Ingest
import TSEngine

/// What devices are asked to do: `/api/devices/{id}/set_config`, `/api/devices/{id}/call`.
extension RegistryCommand {
  /// L-42: with an origin, so that the lamp's answer is known for an echo. The lamp says what it became on `changed`.
  func configureLamp(_ id: String) throws -> Response {
    guard let device = try door.store.wholeRegistry().devices[id] else { throw Refused(.unknownDevice) }
    guard device.type == DeviceType.lampi else { throw Refused.badRequest("\(id) is no lamp") }
    let wanted = LampState(color: body.color, brightness: body.brightness, on: body.on, client: LampStates.ownClient)
    guard !wanted.fields.isEmpty else { throw Refused.badRequest(#"The body lacks "color", "brightness" or "on""#) }
    let brokers = door.publish(
      MQTTPublication(topic: LampTopic.setConfig(id), payload: Array(wanted.json.utf8), qos: 1))
    guard brokers > 0 else {
      throw Refused(status: .serviceUnavailable, code: "noBroker", message: "No broker takes messages for devices")
    }
    return Reply.json(.accepted, wanted.json)
  }

  /// A value of a call's body.
  enum CallValue: Decodable {
    case int(Int64)
    case text(String)

    init(from decoder: any Decoder) throws {
      let value = try decoder.singleValueContainer()
      self = if let number = try? value.decode(Int64.self) { .int(number) } else { .text(try value.decode(String.self)) }
    }

    var json: String {
      switch self {
      case .int(let number): "\(number)"
      case .text(let text): JSONText.quoted(text)
      }
    }
  }

  /// P-23: to the one connected channel of the meter; the answer is the meter's.
  func callMeter(_ id: String) async throws -> Response {
    let name = try field(body.name, "name")
    guard let key = HTTPDoor.meterCalls[name] else {
      let known = HTTPDoor.meterCalls.keys.sorted().joined(separator: ", ")
      throw Refused.badRequest("A meter can be asked for \(known)")
    }
    let given = body.body ?? (name == "Reset" ? ["type": .text("Soft")] : [:])
    guard given[key] != nil else { throw Refused.badRequest("The body lacks \"\(key)\"") }
    var json = JSONText()
    for (name, value) in given.sorted(by: { $0.key < $1.key }) { json.add(name, raw: value.json) }
    let answer = try await door.callMeter(id, name, json.closed)
    var told = JSONText()
    told.add("id", answer.id)
    if answer.kind == .error { told.add("error", answer.name) }
    told.add(answer.kind == .error ? "details" : "result", raw: answer.body)
    return Reply.json(told.closed)
  }
}
