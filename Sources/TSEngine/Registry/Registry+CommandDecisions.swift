/// Commands to devices (D-23, D-24).
extension Registry {
  package static let commandLifetimeNanos: Int64 = 3_600_000_000_000
  package static let answerNanos: Int64 = 30_000_000_000
  private static let lifetimeLimitNanos: Int64 = 30 * 86_400_000_000_000

  /// - Parameters:
  ///   - payload: values by parameter; arrays and objects as JSON.
  ///   - brokers: those there are, where that is known.
  package func sendCommand(
    _ name: String, to device: String, payload: [String: FieldValue] = [:], broker: String? = nil,
    among brokers: Set<String>? = nil, lifetimeNanos: Int64 = commandLifetimeNanos,
    answerNanos: Int64 = Registry.answerNanos, _ context: DecisionContext
  ) -> Decision<CommandOrder> {
    guard let known = devices[device] else { return .refused(.unknownDevice) }
    guard let type = types[known.type] else { return .refused(.unknownType) }
    guard let schema = type.details[command: name] else { return .refused(.unknownCommand) }
    let broker = broker ?? type.details.meta.broker
    guard brokers?.contains(broker) ?? true, broker.utf8.count <= 255 else { return .refused(.unknownBroker) }
    guard (1...Self.lifetimeLimitNanos).contains(lifetimeNanos),
      (1...Self.lifetimeLimitNanos).contains(answerNanos)
    else { return .refused(.invalidValue) }
    guard Set(payload.keys) == Set(schema.parameters.map(\.name)) else { return .refused(.invalidPayload) }
    var json = JSONText()
    for parameter in schema.parameters {
      guard let value = payload[parameter.name].flatMap(parameter.type.accept) else { return .refused(.wrongType) }
      if case .json(let text) = value { json.add(parameter.name, raw: text) } else { json.add(parameter.name, raw: value.json) }
    }
    let text = schema.parameters.isEmpty ? "" : json.closed
    guard text.utf8.count <= 64 << 10 else { return .refused(.invalidPayload) }
    let order = CommandOrder(
      id: Hex.text(context.random64()) + Hex.text(context.random64()), device: device, name: name, payload: text,
      broker: broker, expiresAt: context.time(self) + lifetimeNanos, answerNanos: answerNanos)
    return Decision(events: [context.event(self, .commandSent(order))], result: .success(order))
  }

  /// The broker has it.
  package func confirmCommand(_ id: String, _ context: DecisionContext) -> Decision<Void> {
    guard let open = commands[id], open.publishedAt == nil else { return Decision(events: [], result: .success(())) }
    return Decision(
      events: [context.event(self, .commandPublished(id: id, device: open.order.device))], result: .success(()))
  }

  /// The device has answered: by the correlation id, or by the name of a command, the oldest that waits.
  package func answerCommand(
    of device: String, id: String?, name: String?, isDone: Bool, answer: String, _ context: DecisionContext
  ) -> Decision<Void> {
    let open = id.flatMap { commands[$0] }
      ?? (id == nil ? commands.sorted().first { $0.order.device == device && $0.order.name == name } : nil)
    guard let open, open.order.device == device else { return .refused(.unknownCommand) }
    let kind = EventKind.commandAnswered(id: open.order.id, device: device, isDone: isDone, answer: answer)
    return Decision(events: [context.event(self, kind)], result: .success(()))
  }

  package func endCommand(
    _ id: String, _ end: CommandEnd, reason: String = "", _ context: DecisionContext
  ) -> Decision<Void> {
    guard let open = commands[id] else { return Decision(events: [], result: .success(())) }
    let kind = EventKind.commandEnded(id: id, device: open.order.device, end: end, reason: reason)
    return Decision(events: [context.event(self, kind)], result: .success(()))
  }
}
