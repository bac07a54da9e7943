import Foundation
import TSEngine

/// What a lamp says of itself, and what it is told to be (L-41, L-42):
/// `{"color":{"h":f,"s":f},"brightness":f,"on":bool,"client":"lamp_ui"}`. What is left out stays as it is.
package struct LampState: Codable, Sendable, Equatable {
  package struct Color: Codable, Sendable, Equatable {
    package var h: Double
    package var s: Double

    package init(h: Double, s: Double) {
      self.h = h
      self.s = s
    }
  }
  package var color: Color?
  package var brightness: Double?
  package var on: Bool?
  /// Who wants it so. A message without it is invalid: nobody could tell its echo.
  package var client: String

  package static let clientByteLimit = 128

  package init(color: Color? = nil, brightness: Double? = nil, on: Bool? = nil, client: String) {
    self.color = color
    self.brightness = brightness
    self.on = on
    self.client = client
  }

  /// Nil when the bytes are no such message.
  package init?(_ payload: [UInt8]) {
    guard let state = try? JSONDecoder().decode(LampState.self, from: Data(payload)),
      (1...Self.clientByteLimit).contains(state.client.utf8.count), !state.fields.isEmpty
    else { return nil }
    self = state
  }

  /// In canonical order, numbers as short as they read back the same.
  package var json: String {
    var json = JSONText()
    if let color {
      var parts = JSONText()
      parts.add("h", raw: "\(color.h)")
      parts.add("s", raw: "\(color.s)")
      json.add("color", raw: parts.closed)
    }
    if let brightness { json.add("brightness", raw: "\(brightness)") }
    if let on { json.add("on", on) }
    json.add("client", client)
    return json.closed
  }

  /// Field by field, as it is stored.
  package var fields: [ReportedField] {
    var fields: [ReportedField] = []
    if let color { fields += [ReportedField("color.h", .float(color.h)), ReportedField("color.s", .float(color.s))] }
    if let brightness { fields.append(ReportedField("brightness", .float(brightness))) }
    if let on { fields.append(ReportedField("on", .bool(on))) }
    return fields
  }

  /// This state with what `change` says of it.
  package func changed(by change: LampState) -> LampState {
    LampState(
      color: change.color ?? color, brightness: change.brightness ?? brightness, on: change.on ?? on,
      client: change.client)
  }
}

/// The topics of one lamp on the central broker (L-40); the lamp's own broker has them without `devices/<id>/`.
package enum LampTopic {
  package static let changedFilter = "devices/+/lamp/changed"

  package static func changed(_ device: String) -> String { "devices/\(device)/lamp/changed" }
  package static func setConfig(_ device: String) -> String { "devices/\(device)/lamp/set_config" }
  package static func associated(_ device: String) -> String { "devices/\(device)/lamp/associated" }

  /// The `<id>` of `devices/<id>/lamp/changed`.
  package static func device(ofChanged topic: String) -> String? {
    let parts = topic.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 4, parts[0] == "devices", parts[2] == "lamp", parts[3] == "changed" else { return nil }
    return String(parts[1])
  }
}
