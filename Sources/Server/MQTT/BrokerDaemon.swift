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
  private let frames: FrameMessages
  private let discovery: Discovery
  private let things: ThingDoor
  /// Of those that share the messages of devices of declared types; nil: all of them are ours.
  private let group: String?
  private let states: LampStates
  private let metrics: ServerMetrics
  private let log: @Sendable (String) -> Void
  private let registryChanged: @Sendable () -> Void
  private let onReady: @Sendable () -> Void
  private let loop = Mutex<MQTTLoop?>(nil)
  private let finished = DispatchSemaphore(value: 0)

  package init(
    _ broker: ServerOptions.Broker, _ store: Store, _ frames: FrameDoor, _ discovery: Discovery, _ states: LampStates,
    _ metrics: ServerMetrics, things: ThingDoor? = nil, group: String? = nil, log: @escaping @Sendable (String) -> Void,
    registryChanged: @escaping @Sendable () -> Void, onReady: @escaping @Sendable () -> Void
  ) {
    self.broker = broker
    self.store = store
    let things = things ?? ThingDoor(store, metrics)
    self.frames = FrameMessages(store, frames, metrics, prefixes: [things.prefix, discovery.prefix])
    self.discovery = discovery
    self.things = things
    self.group = group
    self.states = states
    self.metrics = metrics
    self.log = log
    self.registryChanged = registryChanged
    self.onReady = onReady
  }

  package func start() {
    // The session belongs to the store: two servers on one broker must not share it.
    let client = "tsq-\(broker.name)-\(Hex.text(store.storeID.low).prefix(12))"
    var options = broker.options(clientID: client)
    options.stateTopic = "tsq/connection/\(client)/state"
    options.filtersTopic = "tsq/connection/\(client)/filters"
    options.filters =
      // First what makes devices, as retained messages come in this order.
      [discovery.filter] + ThingTopic.filters(prefix: things.prefix, group: group)
      + [Self.frameFilter, LampTopic.changedFilter]
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
      things.connected(sessionPresent: sessionPresent)
      log("\(label): connected to \(broker.host):\(broker.port)\(sessionPresent ? "" : ", a new session")")
      registryChanged()
    case .subscribed(let filter, let qos):
      if qos < 1 { log("\(label): warning: \(filter) is granted at QoS \(qos); messages may be lost") }
      if filter == Self.frameFilter { onReady() }
    case .subscriptionRefused(let filter): log("\(label): warning: the broker refuses \(filter)")
    case .unsubscribed(let filter): log("\(label): \(filter) of an earlier start is ended")
    case .connectionFailed(let reason, let retry):
      log("\(label): \(broker.host):\(broker.port): \(reason); next try in \(retry) ms")
    case .disconnected(let reason): log("\(label): the connection was lost: \(reason)")
    }
  }

  // MARK: Batches

  private func take(_ batch: [MQTTMessage]) -> MQTTOutcome {
    var connections: [MQTTMessage] = []
    var reports: [MQTTMessage] = []
    var told: [MQTTMessage] = []
    var data: [FrameMessages.Arrived] = []
    for message in batch {
      if let sensor = FrameMessages.sensor(ofDataTopic: message.topic) {
        data.append(FrameMessages.Arrived(message: message, sensor: sensor))
      } else if LampTopic.device(ofChanged: message.topic) != nil {
        reports.append(message)
      } else if things.isMine(message.topic) {
        told.append(message)
      } else {
        connections.append(message)
      }
    }
    var unsettled: [MQTTMessage] = []
    do throws(StorageError) {
      if !connections.isEmpty, try discovery.take(connections, broker: broker.name) { registryChanged() }
      // After those that make the devices.
      try states.take(reports)
    } catch {
      // What was recorded already is no news the next time.
      unsettled = connections + reports
    }
    do throws(StorageError) {
      if !told.isEmpty, try things.take(told) { registryChanged() }
    } catch {
      unsettled += told
    }
    let stored = frames.store(data)
    unsettled += stored.unsettled
    metrics.add(.mqttMessages, batch.count - unsettled.count)
    if unsettled.isEmpty { return .committed(stored.answers) }
    metrics.add(.mqttRetries)
    return .retry(unsettled, afterMillis: Self.retryMillis, answers: stored.answers)
  }
}
