import ArgumentParser
import Foundation
import Server
import TSEngine

struct TypeCreate: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "create", abstract: "Declare device types, or their next versions, from a file.",
    discussion: """
      The file is YAML (or JSON), one type or a list of them, all or none:

        type: weather_station
        label: Weather Station
        readings:
          temperature: {type: float, unit: °C, range: [-80, 80], required: true}
          rain: {type: int, range: [0, null]}
        commands:
          set_interval: {interval: int}
          reboot:
        state:
          mode: {type: string, default: auto, choices: [auto, manual]}
        meta: {heartbeat_interval: 300}

      "parent: NAME" takes over another type's fields, "abstract: true" makes one that is
      there for that alone. A later version may have more readings, never fewer.

      EXAMPLES:
        tsq type create weather.yaml
        tsq type create - < weather.yaml
      """)
  @Argument(help: ArgumentHelp("The declaration; - is standard input.", valueName: "FILE")) var file: String
  @OptionGroup var location: StoreLocation

  func run() throws {
    let text = try read()
    let drafts: [TypeDraft]
    do {
      drafts = try TypeDocument.parse(text)
    } catch {
      throw CommandError.failed("\(file): \(error.sentence)")
    }
    try RegistryAccess.writing(location) { [drafts] store in
      _ = try store.decideHere { $0.declareTypes(drafts, $1) }
    } server: { server in
      try server.declareTypes(text)
    }
    Terminal.note("declared \(drafts.map(\.name).joined(separator: ", "))")
  }

  private func read() throws -> String {
    let data = file == "-" ? FileHandle.standardInput.readDataToEndOfFile() : FileManager.default.contents(atPath: file)
    guard let data else { throw CommandError.failed("\(file) cannot be read") }
    guard let text = String(data: data, encoding: .utf8) else { throw CommandError.failed("\(file) is no UTF-8") }
    return text
  }
}
