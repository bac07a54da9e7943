import ArgumentParser
import struct Query.ResultColumn
import Server
import TSEngine

struct DeviceCredentialsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "credentials", abstract: "Give a device new secrets for broker and API, shown this once.",
    discussion: """
      What the device had is void at once, or after --overlap. The store keeps hashes alone.

      EXAMPLES:
        tsq device credentials ws-001
        tsq device credentials ws-001 --overlap 10m
        tsq device credentials ws-001 --revoke
      """)
  @Argument(help: ArgumentHelp("The device.", valueName: "ID")) var id: String
  @Option(help: ArgumentHelp("How long the old secrets stay valid: 30s, 10m, 2h, up to 30d.", valueName: "AGE"))
  var overlap: String?
  @Flag(help: "Take the secrets away and give none.") var revoke = false
  @Option(help: "table, csv, json, ndjson, markdown, line or list.") var format: OutputFormat = .line
  @OptionGroup var location: StoreLocation

  private static let names = ["mqtt_username", "mqtt_password", "api_key"]

  func validate() throws {
    if revoke, overlap != nil { throw ValidationError("--revoke takes the secrets away at once, without --overlap") }
    if let overlap, RetentionAge(overlap) == nil {
      throw ValidationError("--overlap is a length of time, as 10m or 2h")
    }
  }

  func run() throws {
    let (id, overlapNanos) = (id, overlap.flatMap { RetentionAge($0)?.nanos } ?? 0)
    try RegistryAccess.writing(location) { store in
      if revoke {
        try store.decideHere { $0.revokeCredentials(of: id, $1) }
        return sayRevoked()
      }
      let issued = try DeviceKeys(store).issue(
        for: id, overlapNanos: overlapNanos, actor: StoreAccess.actor, cause: Cause(message: "command line")
      ).mapError { CommandError.failed($0.sentence) }.get()
      try show([issued.username, issued.password, issued.apiKey])
    } server: { server in
      if revoke {
        _ = try server.delete("devices", id, "credentials", dryRun: false)
        return sayRevoked()
      }
      let issued = try server.post("devices", id, "credentials", body: ["overlap": overlap])
      try show(Self.names.map { issued[$0] ?? "" })
    }
  }

  private func show(_ values: [String]) throws {
    try format.print(Self.names.map { ResultColumn(name: $0, kind: .text) }, [values])
    Terminal.note("these secrets are shown this once")
  }

  private func sayRevoked() { Terminal.note("\(id) has no secrets any more") }
}
