import Foundation
import Ingest
import Synchronization
import TSEngine

/// One broker: its loop on a thread of its own, frames and discovery in, answers out.
package final class BrokerDaemon: Sendable {
  private static let frameFilter = "powermon/+/data"
  /// How long a batch waits that the store cannot take.
  private static let retryMillis = 200

  private let broker: ServerOptions.Broker
  private let store: Store
  private let frames: FrameDoor
  private let discovery: Discovery
  private let states: LampStates
  private let metrics: ServerMetrics
  private let log: @Sendable (String) -> Void
  private let registryChanged: @Sendable () -> Void
  private let onReady: @Sendable () -> Void
  private let loop = Mutex<MQTTLoop?>(nil)
  private let finished = DispatchSemaphore(value: 0)

  package init(
    _ broker: ServerOptions.Broker, _ store: Store, _ frames: FrameDoor, _ discovery: Discovery, _ states: LampStates,
    _ metrics: ServerMetrics, log: @escaping @Sendable (String) -> Void,
    registryChanged: @escaping @Sendable () -> Void, onReady: @escaping @Sendable () -> Void
  ) {
    self.broker = broker
    self.store = store
    self.frames = frames
    self.discovery = discovery
    self.states = states
    self.metrics = metrics
    self.log = log
    self.registryChanged = registryChanged
    self.onReady = onReady
  }

  package func start() {
    // The session belongs to the store: two servers on one broker must not share it.
    let client = "tsq-\(broker.name)-\(Hex.text(store.storeID.low).prefix(12))"
    var options = MQTTOptions(host: broker.host, port: broker.port, clientID: client)
    options.username = broker.username
    options.password = broker.password
    options.filters = [Self.frameFilter, LampTopic.changedFilter, discovery.filter]
    let made = MQTTLoop(options, observer: { [weak self] in self?.observe($0) }) { [weak self] batch in
      self?.take(batch) ?? .retry(batch, afterMillis: 100)
    }
    loop.withLock { $0 = made }
    Thread.detachNewThread { [finished] in
      made.run()
      finished.signal()
    }
  }

  /// Returns once the batch at hand is committed and answered and the broker is told goodbye.
  package func stop() {
    guard let loop = loop.withLock({ $0 }) else { return }
    loop.stop()
    finished.wait()
  }

  package func publish(
    _ publication: MQTTPublication, _ confirmed: @escaping @Sendable (Bool) -> Void
  ) -> Bool {
    loop.withLock { $0 }?.publish(publication, confirmed: confirmed) ?? false
  }

  private var label: String { "mqtt \(broker.name)" }

  private func observe(_ event: MQTTEvent) {
    switch event {
    case .connecting: break
    case .connected(let sessionPresent):
      log("\(label): connected to \(broker.host):\(broker.port)\(sessionPresent ? "" : ", a new session")")
      registryChanged()
    case .subscribed(let filter, let qos):
      if qos < 1 { log("\(label): warning: \(filter) is granted at QoS \(qos); messages may be lost") }
      if filter == Self.frameFilter { onReady() }
    case .subscriptionRefused(let filter): log("\(label): warning: the broker refuses \(filter)")
    case .connectionFailed(let reason, let retry):
      log("\(label): \(broker.host):\(broker.port): \(reason); next try in \(retry) ms")
    case .disconnected(let reason): log("\(label): the connection was lost: \(reason)")
    }
  }

  // MARK: Batches

  private func take(_ batch: [MQTTMessage]) -> MQTTOutcome {
    var connections: [MQTTMessage] = []
    var reports: [MQTTMessage] = []
    var data: [(message: MQTTMessage, sensor: String)] = []
    for message in batch {
      if let sensor = Self.sensor(ofDataTopic: message.topic) {
        data.append((message, sensor))
      } else if LampTopic.device(ofChanged: message.topic) != nil {
        reports.append(message)
      } else {
        connections.append(message)
      }
    }
    var unsettled: [MQTTMessage] = []
    do throws(StorageError) {
      if !connections.isEmpty, try discovery.take(connections, broker: broker.name) { registryChanged() }
    } catch {
      unsettled = connections
    }
    // After those that make the devices.
    do throws(StorageError) {
      try states.take(reports)
    } catch {
      unsettled += reports
    }
    let stored = store(data)
    unsettled += stored.unsettled
    metrics.add(.mqttMessages, batch.count - unsettled.count)
    if unsettled.isEmpty { return .committed(stored.answers) }
    metrics.add(.mqttRetries)
    return .retry(unsettled, afterMillis: Self.retryMillis, answers: stored.answers)
  }

  /// The `<sensor>` of `powermon/<sensor>/data`.
  package static func sensor(ofDataTopic topic: String) -> String? {
    let parts = topic.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    guard parts.count == 3, parts[0].elementsEqual("powermon".utf8), parts[2].elementsEqual("data".utf8)
    else { return nil }
    return String(Substring(parts[1]))
  }

  /// Stores frames, each by itself.
  /// - Returns: the answers to what is stored or refused for what it holds, and the messages that the
  ///   store cannot take now.
  private func store(
    _ data: [(message: MQTTMessage, sensor: String)]
  ) -> (answers: [MQTTPublication], unsettled: [MQTTMessage]) {
    var unsettled: [MQTTMessage] = []
    var answers: [MQTTPublication] = []
    var requests: [CommitRequest.AppendRequest] = []
    var asked: [(message: MQTTMessage, timestamp: String)] = []
    for (message, sensor) in data {
      // A retained message that was cleared is nothing (L-27).
      if message.payload.isEmpty, !message.isOversized { continue }
      switch parse(message, sensor) {
      case .success(let parsed):
        requests.append(
          frames.request(parsed, creator: Actor.daemon, interface: "mqtt", topic: message.topic) {
            $0.qos = UInt8(truncatingIfNeeded: message.qos)
            $0.retained = message.retained
            $0.packetID = message.packetID
            $0.correlation = message.correlationData ?? []
          })
        asked.append((message, parsed.infos.last?.timestampText ?? "null"))
      case .failure(let error):
        metrics.add(.mqttRefusals)
        answers.append(Self.answer(message, error))
      }
    }
    let results = store.append(each: requests)
    for ((message, timestamp), result) in zip(asked, results) {
      switch result {
      case .success(let stored):
        metrics.add(1, .mqttFrames, stored)
        answers.append(Self.answer(message, stored.openJSON + ",\"timestamp\":\(timestamp)}"))
      case .failure(let error) where !error.isAboutTheRequest: unsettled.append(message)
      case .failure(let error):
        metrics.add(.mqttRefusals)
        let fault = FrameError(path: "", reason: error.reason, kind: .form, timestamp: timestamp)
        answers.append(Self.answer(message, fault))
      }
    }
    return (answers, unsettled)
  }

  private func parse(
    _ message: MQTTMessage, _ sensor: String
  ) -> Result<FrameDoor.Parsed, FrameError> {
    if message.isOversized {
      return .failure(FrameError(path: "", reason: "larger than 256 KiB", kind: .limit))
    }
    let parsed = message.payload.withUnsafeBytes { raw in
      let span = RawSpan(_unsafeBytes: raw)
      return Result { () throws(FrameError) in try frames.parse(span) }
    }
    guard case .success(let frames) = parsed else { return parsed }
    guard let stray = frames.infos.first(where: { $0.sensorID != sensor }) else { return parsed }
    return .failure(
      FrameError(
        path: "sensor_id", reason: "not the sensor of the topic", kind: .form,
        timestamp: stray.timestampText))
  }

  // MARK: Answers

  private static func answer(_ message: MQTTMessage, _ error: FrameError) -> MQTTPublication {
    var json = JSONText()
    json.add("timestamp", raw: error.timestamp ?? "null")
    json.add("error", error.reason)
    json.add("path", error.path)
    return answer(message, json.closed)
  }

  /// To the response topic when the sender named one (MQTT 5), else to the sensor's ack topic.
  private static func answer(_ message: MQTTMessage, _ text: String) -> MQTTPublication {
    MQTTPublication(
      topic: message.responseTopic ?? String(message.topic.dropLast("data".count)) + "ack",
      payload: Array(text.utf8), qos: min(message.qos, 1), correlationData: message.correlationData)
  }
}
