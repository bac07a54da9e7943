import Testing

@testable import TSEngine

@Suite struct TypeDraftTests {
  private func column(_ name: String, _ type: ColumnType = .float, unit: String = "") -> ColumnSchema {
    ColumnSchema(id: 0, name: name, type: type, unit: unit)
  }

  private func sensor() -> TypeDraft {
    var draft = TypeDraft(name: "sensor")
    draft.columns = [column("temperature"), column("rssi", .int)]
    draft.details.isAbstract = true
    draft.details.commands = [CommandSchema(name: "reboot")]
    draft.details.states = [StateField(name: "mode", type: .string, defaultValue: .text("auto"))]
    var meta = TypeMeta()
    meta.heartbeatSeconds = 60
    draft.meta = meta
    return draft
  }

  private func weather() -> TypeDraft {
    var draft = TypeDraft(name: "weather")
    draft.details.parent = "sensor"
    draft.columns = [column("rain", .int), column("temperature", unit: "°C")]
    draft.details.commands = [
      CommandSchema(name: "set_interval", parameters: [.init(name: "interval", type: .int)]),
      CommandSchema(name: "reboot", parameters: [.init(name: "hard", type: .bool)]),
    ]
    return draft
  }

  @Test("D-01: a subtype has its parent's readings, state, commands and meta, and may override them")
  func inheritance() throws {
    var ledger = Ledger()
    #expect(ledger.decide { $0.declareTypes([sensor(), weather()], $1) }.success == ["sensor", "weather"])
    let type = try #require(ledger.registry.types["weather"])
    #expect(type.schema.columns.map(\.name) == ["temperature", "rssi", "rain"])
    #expect(type.schema.columns.map(\.id) == [1, 2, 3] && type.schema.columns[0].unit == "°C")
    #expect(type.details.commands.map(\.name) == ["reboot", "set_interval"])
    #expect(type.details[command: "reboot"]?.parameters.map(\.name) == ["hard"])
    #expect(type.details[state: "mode"]?.defaultValue == .text("auto"))
    #expect(type.details.meta.heartbeatSeconds == 60 && type.details.meta.broker == "default")
    #expect(TypeMeta().heartbeatSeconds == 300 && TypeMeta().transport == "mqtt" && TypeMeta().auth == "token")
    #expect(TypeMeta().topic == "{prefix}/{type_name}/{device_id}/{message_type}")
  }

  @Test("D-01: an abstract type has no table and no devices; its name is taken")
  func abstractTypes() {
    var ledger = Ledger()
    ledger.decide { $0.declareTypes([sensor()], $1) }
    #expect(ledger.registry.types["sensor"] == nil && ledger.registry.types.abstract.map(\.schema.name) == ["sensor"])
    #expect(ledger.decide { $0.createDevice("s1", type: "sensor", $1) }.failure == .unknownType)
    var concrete = sensor()
    concrete.details.isAbstract = false
    #expect(ledger.decide { $0.declareTypes([concrete], $1) }.failure == .exists)
    #expect(
      ledger.decide { $0.declareType("sensor", columns: [column("x")], defaultSpanNanos: 1, $1) }.failure == .exists)
    var orphan = weather()
    orphan.details.parent = "nobody"
    #expect(ledger.decide { $0.declareTypes([orphan], $1) }.failure == .unknownType)
  }

  @Test("D-03: a change of a type is its next version; readings come behind, none goes, the same again is none")
  func versions() {
    var ledger = Ledger()
    ledger.decide { $0.declareTypes([sensor(), weather()], $1) }
    let count = ledger.log.count
    #expect(ledger.decide { $0.declareTypes([sensor(), weather()], $1) }.success != nil)
    #expect(ledger.log.count == count)
    var parent = sensor()
    var child = weather()
    parent.columns.append(column("noise"))
    child.details.states = [StateField(name: "mode", type: .string, choices: [.text("a")])]
    #expect(ledger.decide { $0.declareTypes([parent, child], $1) }.success != nil)
    let type = ledger.registry.types["weather"]
    #expect(type?.version == 2 && type?.schema.columns.map(\.name) == ["temperature", "rssi", "rain", "noise"])
    #expect(type?.details[state: "mode"]?.choices == [.text("a")])
    // What SQL adds leaves the rest as it is.
    let columns = (type?.schema.columns ?? []) + [column("added")]
    #expect(ledger.decide { $0.declareType("weather", columns: columns, defaultSpanNanos: 1_000_000_000, $1) }.success != nil)
    #expect(ledger.registry.types["weather"]?.details == type?.details)
    var less = weather()
    less.details.parent = ""
    #expect(ledger.decide { $0.declareTypes([less], $1) }.failure == .incompatibleType)
    #expect(ledger.registry.types["weather"]?.version == 3)
  }

  @Test("D-01: what makes no sense is refused, and all of the file with it")
  func refusals() {
    func refusal(_ change: (inout TypeDraft) -> Void) -> Refusal? {
      var ledger = Ledger()
      var good = sensor()
      var bad = weather()
      good.name = "good"
      good.details.isAbstract = false
      bad.details.parent = ""
      change(&bad)
      let refused = ledger.decide { $0.declareTypes([good, bad], $1) }.failure
      #expect(refused == nil || ledger.log.isEmpty)
      return refused
    }
    func meta(_ change: (inout TypeMeta) -> Void) -> Refusal? {
      var meta = TypeMeta()
      change(&meta)
      return refusal { $0.meta = meta }
    }
    #expect(refusal { _ in } == nil)
    #expect(refusal { $0.name = "Bad Name" } == .invalidName)
    #expect(refusal { $0.details.states = [StateField(name: "status", type: .string)] } == .invalidValue)
    #expect(refusal { $0.details.states = [StateField(name: "a", type: .int, defaultValue: .text("x"))] } == .invalidValue)
    #expect(refusal { $0.details.states = [StateField(name: "a", type: .int, choices: [.bool(true)])] } == .invalidValue)
    #expect(refusal { $0.details.commands = [CommandSchema(name: "A b")] } == .invalidValue)
    #expect(refusal { $0.details.commands += $0.details.commands } == .invalidValue)
    #expect(meta { $0.transport = "coap" } == .invalidValue)
    #expect(meta { $0.heartbeatSeconds = 0 } == .invalidValue)
    #expect(refusal { $0.columns = [] } == .invalidValue)
  }

  @Test("D-01 T-05: what a type declares is part of checkpoint and digest")
  func checkpoint() throws {
    var ledger = Ledger()
    ledger.decide { $0.declareTypes([sensor(), weather()], $1) }
    let bytes = ledger.registry.checkpoint()
    let restored = try Registry(checkpoint: bytes.span.bytes)
    #expect(restored == ledger.registry && restored.digest == ledger.registry.digest)
    #expect(restored == replay(ledger.log))
    for event in ledger.log {
      let bytes = try Journal.encode(event)
      let decoded = try Journal.decodeEvent(bytes.span.bytes, lsn: event.lsn)
      #expect(decoded == event)
    }
  }
}
