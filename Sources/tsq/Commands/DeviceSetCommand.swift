import ArgumentParser
import enum Query.TimestampText
import TSEngine

struct DeviceSet: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "set", abstract: "Change the status or fields of a device.",
    discussion: """
      status, battery_level, firmware_version, is_active and metadata are there for every
      device, the fields of its state for those of its type. Of a sensor people say its
      category (main, submain, sub or special), sensor_status, address1, address2,
      address3, registered_at and part_of, the sensor that meters all of which this one
      meters a part. All are set or none; an empty value sets back.

      EXAMPLES:
        tsq device set ws-001 status=maintenance
        tsq device set ws-001 firmware_version=2.1.0 mode=manual
        tsq device set gresystem000001 category=main address1='12 Mapo-daero' registered_at=2026-01-01T09:00:00+09:00
      """)
  @Argument(help: ArgumentHelp("The device.", valueName: "ID")) var id: String
  @Argument(help: ArgumentHelp("Fields.", valueName: "KEY=VALUE")) var fields: [String]
  @OptionGroup var location: StoreLocation

  func run() throws {
    var wanted: [(name: String, value: FieldValue)] = []
    for field in fields {
      let parts = field.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2, !wanted.contains(where: { $0.name == parts[0] }) else {
        throw CommandError.usage("fields are KEY=VALUE, each once; \"\(field)\" is not")
      }
      wanted.append((String(parts[0]), try Self.value(String(parts[1]), of: String(parts[0]))))
    }
    try RegistryAccess.writing(location) { [id, wanted] store in
      _ = try store.wholeRegistry().device(id)
      try store.decideHere { $0.setFields(of: id, wanted, $1) }
    } server: { server in
      try server.setFields(of: id, wanted.map { ($0.name, json: $0.value.json) })
    }
    Terminal.note("\(id): \(fields.joined(separator: " "))")
  }

  /// A text where its name says so, else what it spells.
  private static func value(_ text: String, of name: String) throws -> FieldValue {
    if text.isEmpty { return .null }
    if name == "category", TSEngine.Registry.SensorCategory(rawValue: text) == nil {
      let known = TSEngine.Registry.SensorCategory.allCases.map(\.rawValue).joined(separator: ", ")
      throw CommandError.failed("a category is one of \(known); \"\(text)\" is not")
    }
    if name == "registered_at" { return .text(TimestampText.format(try CommandTime.parse(text))) }
    if TSEngine.Registry.sensorFields.contains(name) { return .text(text) }
    if [DeviceField.firmwareVersion, DeviceField.status, DeviceField.metadata].contains(name) { return .text(text) }
    if let flag = Bool(text) { return .bool(flag) }
    if let number = Int64(text) { return .int(number) }
    if let number = Double(text), number.isFinite { return .float(number) }
    return .text(text)
  }
}
