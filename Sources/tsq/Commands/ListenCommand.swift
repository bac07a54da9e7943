import ArgumentParser
import Foundation
import Glibc
import Ingest
import Server
import Synchronization
import TSEngine

struct ListenCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "listen",
    abstract: "What is said at a broker, a message a line.",
    discussion: """
      Topic and payload, until Ctrl-C. Nothing is stored, and the broker keeps nothing
      for whoever listened. Payloads that are no text are printed as hexadecimal digits.

      EXAMPLES:
        tsq listen mqtt://127.0.0.1:1883
        tsq listen mqtt://127.0.0.1:1883 'things/weather_station/+/data' --count 10
      """)

  @Argument(help: ArgumentHelp("mqtt[s]://[USER:PASSWORD@]HOST:PORT", valueName: "BROKER")) var broker: String
  @Argument(help: ArgumentHelp("Topic filters; all of declared types, meters and lamps.", valueName: "FILTER"))
  var filters: [String] = ["\(ThingTopic.defaultPrefix)/#", "powermon/#", "devices/#"]
  @Option(help: ArgumentHelp("End after so many messages.", valueName: "N")) var count: Int?
  @OptionGroup var brokerTLS: BrokerTLSOptions
  @Flag(help: "A JSON object a line, with the properties of MQTT 5.") var json = false

  func validate() throws {
    guard count ?? 1 >= 1 else { throw ValidationError("--count is at least 1") }
  }

  func run() throws {
    guard let named = ServerOptions.Broker(broker) else {
      throw CommandError.usage("\(broker) is no broker; write mqtt://HOST:PORT or mqtts://HOST:PORT")
    }
    var brokers = [named]
    try brokerTLS.complete(&brokers)
    let address = brokers[0]
    Interrupts.shared.install()
    var options = address.options(clientID: "tsq-listen-\(getpid())")
    options.filters = filters
    options.keepsSession = false
    let (ended, left) = (Latch<CommandError?>(), Countdown(count ?? .max))
    let json = json
    let loop = MQTTLoop(options) { event in
      switch event {
      case .connectionFailed(let reason, let retry):
        Terminal.note("\(address.host):\(address.port): \(reason); next try in \(retry) ms")
      case .subscriptionRefused(let filter): ended.fulfil(CommandError.failed("the broker refuses \(filter)"))
      default: break
      }
    } handler: { batch in
      for message in batch where left.next() {
        let line = json ? Self.object(message) : "\(message.topic) \(Self.text(message.payload))"
        do { try FileSink(descriptor: STDOUT_FILENO).writeThrough(line) } catch { ended.fulfil(nil) }
      }
      if left.isOver { ended.fulfil(nil) }
      return .committed([])
    }
    let closed = Latch<Void>()
    Worker.start {
      loop.run()
      closed.fulfil(())
    }
    let (failure, wasInterrupted) = try Interrupts.shared.during(stop: { ended.fulfil(nil) }) { ended.wait() }
    loop.stop()
    closed.wait()
    if let failure { throw failure }
    if wasInterrupted { throw CommandError.interrupted }
  }

  /// How many messages are still to be printed.
  private final class Countdown: Sendable {
    private let left: Mutex<Int>
    init(_ count: Int) { left = Mutex(count) }
    var isOver: Bool { left.withLock { $0 == 0 } }
    func next() -> Bool {
      left.withLock { left in
        guard left > 0 else { return false }
        left -= 1
        return true
      }
    }
  }

  private static func text(_ payload: [UInt8]) -> String {
    guard let text = String(validating: payload, as: UTF8.self), !text.contains(where: \.isNewline) else { return Hex.text(payload) }
    return text
  }

  private static func object(_ message: MQTTMessage) -> String {
    var object: [String: Any] = ["topic": message.topic, "qos": message.qos, "retained": message.retained]
    object["payload"] = (try? JSONSerialization.jsonObject(with: Data(message.payload), options: .fragmentsAllowed)) ?? text(message.payload)
    if let topic = message.responseTopic { object["response_topic"] = topic }
    if let type = message.contentType { object["content_type"] = type }
    if let data = message.correlationData { object["correlation_data"] = text(data) }
    if !message.userProperties.isEmpty {
      object["user_properties"] = message.userProperties.map { [$0.0, $0.1] }
    }
    let data = try? JSONSerialization.data(withJSONObject: object, options: [.sortedKeys, .withoutEscapingSlashes])
    return String(decoding: data ?? Data(), as: UTF8.self)
  }
}
