import Testing

@testable import TSEngine

@Suite struct CommandTests {
  private let second: Int64 = 1_000_000_000

  private func station() -> Ledger {
    var ledger = Ledger()
    var draft = TypeDraft(name: "weather")
    draft.columns = [ColumnSchema(id: 0, name: "temperature", type: .float)]
    draft.details.commands = [
      CommandSchema(name: "reboot"),
      CommandSchema(
        name: "set", parameters: [.init(name: "interval", type: .int), .init(name: "extra", type: .json)]),
    ]
    let wanted = draft
    ledger.decide { $0.declareTypes([wanted], $1) }
    ledger.decide { $0.createDevice("ws-1", type: "weather", $1) }
    ledger.decide { $0.createDevice("aa", type: "lampi", $1) }
    return ledger
  }

  @Test("D-23: a command's message, with a payload and without")
  func messages() {
    var ledger = station()
    let plain = ledger.decide { $0.sendCommand("reboot", to: "ws-1", $1) }.success
    #expect(plain?.message == #"{"command":"reboot"}"# && plain?.broker == "default" && plain?.id.count == 32)
    let payload: [String: FieldValue] = ["interval": .int(60), "extra": .json("[1]")]
    let full = ledger.decide { $0.sendCommand("set", to: "ws-1", payload: payload, $1) }.success
    #expect(full?.message == #"{"command":"set","payload":{"interval":60,"extra":[1]}}"#)
    #expect(ledger.log.last?.kind.name == "command.sent")
  }

  @Test("D-24: each thing that is wrong with a command has a code of its own, and nothing is recorded")
  func refusals() {
    var ledger = station()
    let count = ledger.log.count
    func refusal(
      _ name: String, _ device: String, _ payload: [String: FieldValue] = [:], broker: String? = nil
    ) -> Refusal? {
      ledger.decide {
        $0.sendCommand(name, to: device, payload: payload, broker: broker, among: ["default", "plant"], $1)
      }.failure
    }
    #expect(refusal("reboot", "nobody") == .unknownDevice)
    #expect(refusal("reboot", "aa") == .unknownType)
    #expect(refusal("fly", "ws-1") == .unknownCommand)
    #expect(refusal("reboot", "ws-1", broker: "nowhere") == .unknownBroker)
    #expect(refusal("reboot", "ws-1", ["x": .int(1)]) == .invalidPayload)
    #expect(refusal("set", "ws-1", ["interval": .int(1)]) == .invalidPayload)
    #expect(refusal("set", "ws-1", ["interval": .text("1"), "extra": .int(1)]) == .wrongType)
    #expect(refusal("set", "ws-1", ["interval": .float(1.5), "extra": .int(1)]) == .wrongType)
    #expect(ledger.log.count == count && ledger.registry.commands.isEmpty)
    #expect(refusal("reboot", "ws-1", broker: "plant") == nil)
  }

  @Test("D-24: pending, published, acknowledged or refused, expired, timed out; each change is one event")
  func states() throws {
    var ledger = station()
    func send() throws -> CommandOrder {
      try #require(ledger.decide { $0.sendCommand("reboot", to: "ws-1", $1) }.success)
    }
    let orders = try (0..<5).map { _ in try send() }
    #expect(ledger.registry.commands.sorted().map(\.order) == orders)
    for order in orders[1...] { ledger.decide { $0.confirmCommand(order.id, $1) } }
    let count = ledger.log.count
    ledger.decide { $0.confirmCommand(orders[1].id, $1) }
    #expect(ledger.log.count == count)
    let open = try #require(ledger.registry.commands[orders[1].id])
    #expect(open.publishedAt == ledger.now && open.dueAt == ledger.now + 30 * second)
    #expect(ledger.registry.commands[orders[0].id]?.dueAt == ledger.now + 3600 * second)
    // By its id, then by name: the oldest that waits.
    func answer(_ id: String?, _ name: String?, _ isDone: Bool, by device: String = "ws-1") -> Refusal? {
      ledger.decide {
        $0.answerCommand(of: device, id: id, name: name, isDone: isDone, answer: "{}", $1)
      }.failure
    }
    #expect(answer(orders[2].id, nil, false, by: "aa") == .unknownCommand)
    #expect(answer(orders[2].id, nil, false) == nil && answer(orders[2].id, nil, true) == .unknownCommand)
    ledger.decide { $0.endCommand(orders[0].id, .expired, $1) }
    #expect(answer(nil, "reboot", true) == nil)
    ledger.decide { $0.endCommand(orders[3].id, .timedOut, $1) }
    let bytes = ledger.registry.checkpoint()
    let restored = try Registry(checkpoint: bytes.span.bytes)
    #expect(restored == ledger.registry && restored == replay(ledger.log))
    ledger.decide { $0.deleteDevice("ws-1", $1) }
    #expect(ledger.registry.commands.isEmpty)
    var history = CommandHistory()
    for event in ledger.log { history.apply(event) }
    #expect(history.entries.map(\.state) == ["expired", "acknowledged", "refused", "timed_out", "failed"])
    #expect(history.entries.map(\.answer) == ["", "{}", "{}", "", "the device was deleted"])
    #expect(history.entries.allSatisfy { $0.endedAt == ledger.now })
  }
}
