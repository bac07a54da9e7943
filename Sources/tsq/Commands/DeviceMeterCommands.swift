import ArgumentParser
import Query
import TSEngine

struct DeviceCall: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "call", abstract: "Ask a meter that keeps a channel open to do something.",
    discussion: """
      A running server passes it on; what the meter answers is printed. A meter that is
      not connected, or gives no answer in half a minute, is an error.

      EXAMPLES:
        tsq device call gresystem000001 Reset --type Soft --connect http://127.0.0.1:8086
        tsq device call gresystem000001 RemoteStartTransaction --connector 1
        tsq device call gresystem000001 RemoteStopTransaction --transaction 7
      """)

  enum Name: String, CaseIterable, ExpressibleByArgument {
    case reset = "Reset"
    case start = "RemoteStartTransaction"
    case stop = "RemoteStopTransaction"

    /// Also the short ones, in capitals or not.
    init?(argument: String) {
      let word = argument.lowercased()
      guard let name = Self.allCases.first(where: { [$0.rawValue, $0.short].contains { $0.lowercased() == word } }) else {
        return nil
      }
      self = name
    }

    private var short: String {
      switch self {
      case .reset: "Reset"
      case .start: "RemoteStart"
      case .stop: "RemoteStop"
      }
    }
  }

  @Argument(help: ArgumentHelp("The meter.", valueName: "ID")) var id: String
  @Argument(help: ArgumentHelp("Reset, RemoteStartTransaction or RemoteStopTransaction.", valueName: "NAME")) var name: Name
  @Option(help: ArgumentHelp("Of a Reset: Soft or Hard (Soft).", valueName: "TYPE")) var type: String?
  @Option(help: ArgumentHelp("Of a RemoteStartTransaction (1).", valueName: "N")) var connector: Int?
  @Option(help: ArgumentHelp("Of a RemoteStopTransaction.", valueName: "N")) var transaction: Int?
  @Option(help: "table, csv, json, ndjson, markdown, line or list.") var format: OutputFormat = .line
  @OptionGroup var location: StoreLocation

  func validate() throws {
    guard type == nil || name == .reset else { throw ValidationError("--type is for Reset") }
    guard connector == nil || name == .start else { throw ValidationError("--connector is for RemoteStartTransaction") }
    guard (transaction != nil) == (name == .stop) else {
      throw ValidationError(
        name == .stop ? "RemoteStopTransaction needs --transaction N" : "--transaction is for RemoteStopTransaction")
    }
    guard ["Soft", "Hard"].contains(type ?? "Soft") else { throw ValidationError("--type is Soft or Hard") }
  }

  func run() throws {
    var (json, body) = (JSONText(), JSONText())
    switch name {
    case .reset: body.add("type", type ?? "Soft")
    case .start: body.add("connectorId", connector ?? 1)
    case .stop: body.add("transactionId", transaction ?? 0)
    }
    json.add("name", name.rawValue)
    json.add("body", raw: body.closed)
    try RegistryAccess.at(location) { _ in
      throw CommandError.usage("a server passes calls on; give --connect URL")
    } server: { [json] server in
      let answer = try server.post("devices", id, "call", json: json.closed)
      if let code = answer["error"] {
        throw CommandError.failed("\(id) refuses: \(code) \(answer["details"] ?? "")")
      }
      try format.print(
        ["device", "call", "result"].map { ResultColumn(name: $0, kind: .text) }, [[id, name.rawValue, answer["result"]]])
    }
  }
}

struct DeviceClock: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "clock", abstract: "How far the clocks of meters are off, and who has not compared theirs in time.",
    discussion: """
      Of each meter the newest comparison: server minus device, how fast that moves, when
      the next is due by the setting sync_interval of its type. Who never compared is
      overdue. Of one device, all comparisons, the newest first.

      EXAMPLES:
        tsq device clock --overdue
        tsq device clock gresystem000001
      """)
  @Argument(help: ArgumentHelp("The device.", valueName: "ID")) var id: String?
  @Flag(help: "Only those who are overdue.") var overdue = false
  @Option(help: "table, csv, json, ndjson, markdown, line or list.") var format: OutputFormat = .table
  @OptionGroup var location: StoreLocation

  func validate() throws {
    guard id == nil || !overdue else { throw ValidationError("--overdue lists devices; leave the ID out") }
  }

  private var sql: String {
    if let id {
      return "SELECT recorded_at AS compared_at, offset_ns, round_trip_ns, drift_ppm, due_at FROM clock "
        + "WHERE device_id = \(sqlLiteral(id)) ORDER BY lsn DESC"
    }
    let all = """
      SELECT d.device_id, c.recorded_at AS compared_at, c.offset_ns, c.drift_ppm, c.due_at,
        coalesce(c.due_at < now(), true) AS overdue
      FROM devices d
      LEFT JOIN (SELECT device_id, max(lsn) AS lsn FROM clock GROUP BY device_id) n ON n.device_id = d.device_id
      LEFT JOIN clock c ON c.lsn = n.lsn
      WHERE d.type = \(sqlLiteral(DeviceType.power)) OR c.lsn IS NOT NULL
      """
    return "SELECT * FROM (\(all)) x\(overdue ? " WHERE overdue" : "") ORDER BY device_id"
  }

  func run() throws {
    let place = try location.place()
    if let id { try Self.require(id, at: place) }
    var script = QueryScript(text: sql, format: format)
    script.saysFooter = false
    try script.run(at: place)
  }

  /// - Throws: `CommandError` exit 1 when there is no such device.
  private static func require(_ id: String, at place: StoreLocation.Place) throws {
    switch place {
    case .directory(let directory): try StoreAccess.reading(directory) { _ = try $0.wholeRegistry().device(id) }
    case .server(let url): try RemoteRegistry(url).require("devices", id)
    }
  }
}
