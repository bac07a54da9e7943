import ArgumentParser
import Server
import TSEngine
import struct Query.ResultColumn
import struct Query.StoreCatalog

struct CommandCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "command", abstract: "Commands to devices, and what became of them.",
    discussion: """
      EXAMPLES:
        tsq command send ws-001 set_interval '{"interval": 60}'
        tsq command list
      """,
    subcommands: [CommandSend.self, CommandList.self])
}

struct CommandSend: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "send", abstract: "Send a command that the device's type declares.",
    discussion: """
      A running server publishes it; what is sent into a store goes out with the next
      start. It expires when it is not published in time.

      EXAMPLES:
        tsq command send ws-001 reboot
        tsq command send ws-001 set_interval '{"interval": 60}' --expires 10m
      """)
  @Argument(help: ArgumentHelp("The device.", valueName: "DEVICE")) var device: String
  @Argument(help: ArgumentHelp("The command.", valueName: "NAME")) var name: String
  @Argument(help: ArgumentHelp("Its parameters.", valueName: "JSON")) var payload: String?
  @Option(help: ArgumentHelp("Where to (what the type says).", valueName: "NAME")) var broker: String?
  @Option(help: ArgumentHelp("Not published later than this.", valueName: "AGE")) var expires = "1h"
  @Option(help: ArgumentHelp("How long an answer is waited for.", valueName: "AGE")) var timeout = "30s"
  @OptionGroup var location: StoreLocation

  func run() throws {
    guard let lifetime = RetentionAge(expires)?.nanos, let wait = RetentionAge(timeout)?.nanos else {
      throw CommandError.usage("--expires and --timeout are lengths of time, as 30s or 1h")
    }
    let parameters: [String: FieldValue]
    do {
      parameters = try payload.map { try CommandPayload.parameters($0) } ?? [:]
    } catch {
      throw CommandError.failed("the parameters are a JSON object, as '{\"interval\": 60}'")
    }
    try RegistryAccess.writing(location) { [device, name, broker] store in
      let order = try store.decideHere {
        $0.sendCommand(
          name, to: device, payload: parameters, broker: broker, lifetimeNanos: lifetime, answerNanos: wait, $1)
      }
      Terminal.note("\(name) for \(device) will be sent as \(order.id)")
    } server: { server in
      let sent = try server.send(name, to: device, payload: payload, broker: broker, expires: expires, timeout: timeout)
      Terminal.note("\(name) for \(device) is sent as \(sent["id"] ?? "")")
    }
  }
}

struct CommandList: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "Commands and their states.", discussion: "EXAMPLE: tsq command list --format json")
  @Option(help: "table, csv, json, ndjson, markdown, line or list.") var format: OutputFormat = .table
  @OptionGroup var location: StoreLocation

  func run() throws {
    try RegistryAccess.reading(location) { store in
      guard let table = StoreCatalog(store.snapshot()).rowTables.first(where: { $0.name == "commands" }) else { return }
      var rows: [[String?]] = []
      try table.scan { row in
        rows.append(row.map(\.text))
        return true
      }
      try format.print(table.columns.map { ResultColumn(name: $0.name, kind: ResultColumn.Kind($0.type)) }, rows)
    } server: { server in
      try server.show("commands", format: format)
    }
  }
}
