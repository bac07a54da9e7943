import ArgumentParser
import Server
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
    var wanted: [(name: String, text: String)] = []
    for field in fields {
      let parts = field.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2, !wanted.contains(where: { $0.name == parts[0] }) else {
        throw CommandError.usage("fields are KEY=VALUE, each once; \"\(field)\" is not")
      }
      wanted.append((String(parts[0]), String(parts[1])))
    }
    try RegistryAccess.writing(location) { [id, wanted] store in
      let registry = try store.wholeRegistry()
      _ = try registry.device(id)
      var values: [(name: String, value: FieldValue)] = []
      do throws(FieldProblem) {
        for (name, text) in wanted { values.append((name, try FieldForm.spelled(text, name, of: id, registry))) }
      } catch {
        throw CommandError.failed(error.sentence)
      }
      try store.decideHere { [values] in $0.setFields(of: id, values, $1) }
    } server: { server in
      let texts = Dictionary(wanted.map { ($0.name, $0.text) }, uniquingKeysWith: { first, _ in first })
      try server.post("devices", id, "fields", object: ("spelled", texts))
    }
    Terminal.note("\(id): \(fields.joined(separator: " "))")
  }
}
