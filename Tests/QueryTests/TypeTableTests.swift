import TSEngine
import Testing

@testable import Query

/// D-02: the three tables of a declared type under the names that are generated for it.
@Suite struct TypeTableTests {
  private let actor = Actor(.operator, "ann")

  private func open() throws -> Store {
    let store = try Store.simulated()
    var draft = TypeDraft(name: "weather_station")
    draft.label = "Weather Station"
    draft.columns = [ColumnSchema(id: 1, name: "temperature", type: .float), ColumnSchema(id: 2, name: "order", type: .int)]
    draft.details.states = [
      StateField(name: "mode", type: .string, defaultValue: .text("auto")), StateField(name: "level", type: .int),
      // Every device has one of these.
      StateField(name: "since", type: .string),
    ]
    var base = TypeDraft(name: "base")
    base.details.isAbstract = true
    _ = try store.decide(actor: actor) { [draft, base] in $0.declareTypes([base, draft], $1) }.result.get()
    for (id, type) in [("ws-1", "weather_station"), ("ws-2", "weather_station"), ("m-1", "power")] {
      _ = try store.decide(actor: actor) { $0.createDevice(id, type: type, $1) }.result.get()
      let message = ReceivedMessage(device: id, interface: "mqtt", topic: "things/\(id)/data", payload: Array("{}".utf8))
      _ = try store.record([OperationalRecord(recordedAt: 1, kind: .messageReceived(message))])
    }
    _ = try store.decide(actor: actor) { $0.setDeviceField("ws-2", "mode", .text("manual"), $1) }.result.get()
    _ = try store.decide(actor: actor) { $0.setDeviceField("ws-2", "level", .int(7), $1) }.result.get()
    for (place, id) in ["ws-1", "ws-2"].enumerated() {
      _ = try rows(store, "INSERT INTO weather_station (device, ts, temperature, \"order\") VALUES ('\(id)', '2026-01-01T00:00:0\(place)Z', \(place).5, 3)")
    }
    return store
  }

  private func rows(_ store: Store, _ sql: String) throws -> [String] {
    try QueryEngine.execute(sql, on: store, actor: actor).rows().map { row in
      row.map { $0.text ?? "NULL" }.joined(separator: "|")
    }
  }

  @Test("D-02: devices of the type alone, a column for each state field")
  func devices_D02() throws {
    let store = try open()
    #expect(
      try rows(store, "SELECT device_id, mode, level, owner FROM tsq_weatherstationdevice ORDER BY device_id") == [
        "ws-1|auto|NULL|parked_device_user", "ws-2|manual|7|parked_device_user",
      ])
    #expect(try rows(store, "SELECT count(*) FROM tsq_powerdevice") == ["1"])
  }

  @Test("D-02: readings with device, timestamp and received_at, joined and aliased as any table")
  func readings_D02() throws {
    let store = try open()
    let sql = "SELECT * FROM tsq_weatherstationreading WHERE \"timestamp\" > '1960-01-01T00:00:00Z' ORDER BY device"
    let names = try QueryEngine.execute(sql, on: store, actor: actor).columns.map(\.name)
    #expect(names == ["device", "timestamp", "received_at", "temperature", "order", "text"])
    #expect(
      try rows(store, "SELECT r.device, r.temperature, d.mode FROM tsq_weatherstationreading r "
        + "JOIN tsq_weatherstationdevice d ON d.device_id = r.device ORDER BY 1") == ["ws-1|0.5|auto", "ws-2|1.5|manual"])
    #expect(
      try rows(store, "WITH weather_station AS (SELECT 1 AS x) SELECT count(*) FROM tsq_weatherstationreading") == ["2"],
      "a name around a view is not its")
  }

  @Test("D-02: messages of devices of the type alone")
  func messages_D02() throws {
    let store = try open()
    #expect(try rows(store, "SELECT device_id FROM tsq_weatherstationmessage ORDER BY 1") == ["ws-1", "ws-2"])
  }

  @Test("D-02, D-11, D-20: text forms and display names")
  func texts_D02() throws {
    let store = try open()
    #expect(
      try rows(store, "SELECT text FROM tsq_weatherstationreading ORDER BY 1") == [
        "Reading at 2026-01-01T00:00:00Z", "Reading at 2026-01-01T00:00:01Z",
      ])
    #expect(
      try rows(store, "SELECT text FROM tsq_weatherstationmessage ORDER BY 1") == [
        "Message on things/ws-1/data (pending)", "Message on things/ws-2/data (pending)",
      ])
    #expect(try rows(store, "SELECT text FROM tsq_weatherstationdevice ORDER BY 1") == ["ws-1 (offline)", "ws-2 (offline)"])
    _ = try store.decide(actor: actor) { $0.renameDevice("ws-1", to: "Roof", $1) }.result.get()
    _ = try store.decide(actor: actor) { $0.markOnline("ws-1", $1) }.result.get()
    _ = try store.decide(actor: actor) { $0.createDevice("b827eb08451e", type: "lampi", $1) }.result.get()
    #expect(
      try rows(store, "SELECT text FROM devices WHERE device_id <> 'ws-2' ORDER BY device_id") == [
        "b827eb08451e: My LAMPI", "m-1 (offline)", "Roof (online)",
      ])
    #expect(try rows(store, "SELECT name, display_name FROM types ORDER BY name") == ["power|Power Meter", "weather_station|Weather Station"])
    let type = try #require(store.registry.types["weather_station"])
    #expect(TypePart.allCases.map(type.displayName(of:)) == [
      "Weather Station Device", "Weather Station Reading", "Weather Station Message",
    ])
    _ = try rows(store, "CREATE TABLE soil_moisture (text SYMBOL)")
    #expect(store.registry.types["soil_moisture"]?.displayName(of: .reading) == "Soil Moisture Reading")
    _ = try rows(store, "INSERT INTO soil_moisture (device, ts, text) VALUES ('s-1', '2026-01-01T00:00:00Z', 'wet')")
    #expect(try rows(store, "SELECT text FROM tsq_soilmoisturereading") == ["wet"], "a column of that name goes before")
    var sign = TypeDraft(name: "sign")
    sign.columns = [ColumnSchema(id: 1, name: "shown", type: .int)]
    sign.details.states = [StateField(name: "text", type: .string, defaultValue: .text("open"))]
    _ = try store.decide(actor: actor) { [sign] in $0.declareTypes([sign], $1) }.result.get()
    _ = try store.decide(actor: actor) { $0.createDevice("sign-1", type: "sign", $1) }.result.get()
    #expect(try rows(store, "SELECT device_id, text, owner FROM tsq_signdevice") == ["sign-1|open|parked_device_user"], "so does a state")
  }

  @Test("D-02: abstract types have none; a misspelt one is told the right name; a table of that name goes before")
  func names_D02() throws {
    let store = try open()
    do {
      _ = try rows(store, "SELECT * FROM tsq_basereading")
      Issue.record("abstract")
    } catch { #expect((error as? SQLError)?.state == .undefinedTable) }
    do {
      _ = try rows(store, "SELECT * FROM tsq_weatherstationreadin")
      Issue.record("misspelt")
    } catch { #expect((error as? SQLError)?.hint?.contains("tsq_weatherstationreading") == true, "\(error)") }
    _ = try rows(store, "CREATE TABLE tsq_weatherstationreading (x int)")
    #expect(try rows(store, "SELECT count(*) FROM tsq_weatherstationreading") == ["0"])
  }
}
