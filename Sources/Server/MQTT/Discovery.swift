import Ingest
import Synchronization
import TSEngine

/// Devices that connect to a broker (L-10 to L-17): a batch of messages becomes one decision and
/// one set of records, durable before the messages are acknowledged.
package final class Discovery: Sendable {
  private struct Seen: Sendable {
    var device: String
    var isConnected: Bool
    var topic: String
    var isRetained: Bool
  }
  private struct Told: Sendable {
    var lines: [String] = []
    var created = 0
  }

  private let store: Store
  private let policy: DiscoveryPolicy
  private let metrics: ServerMetrics
  private let log: @Sendable (String) -> Void
  private let limit: Mutex<NewDeviceLimit>

  package init(
    _ store: Store, _ policy: DiscoveryPolicy, _ metrics: ServerMetrics,
    log: @escaping @Sendable (String) -> Void
  ) {
    self.store = store
    self.policy = policy
    self.metrics = metrics
    self.log = log
    limit = Mutex(NewDeviceLimit(perMinute: policy.newDevicesPerMinute))
  }

  package var prefix: String { policy.prefix }
  package var filter: String { DiscoveryTopic.filter(prefix: policy.prefix) }

  /// Makes the owner of devices that are nobody's, on the first run only (L-03). Says so where the registry is damaged.
  package func makeParkedUser() throws(StorageError) {
    do throws(StorageError) { _ = try store.wholeRegistry() } catch {
      log("Devices are neither discovered nor announced: \(error.reason)")
      return
    }
    let taken = try store.decide(actor: Actor.daemon) { $0.ensureParkedUser($1) }
    if case .success(true) = taken.result {
      log("Created user \(Users.parkedName) to own new LAMPI devices")
    }
  }

  /// - Parameter broker: its name, for the cause and the record's source.
  /// - Returns: whether the registry may have changed.
  /// - Throws: as the store; then nothing was recorded that a repetition would record twice.
  package func take(_ messages: [MQTTMessage], broker: String) throws(StorageError) -> Bool {
    var seen: [Seen] = []
    for message in messages {
      let payload = String(decoding: message.payload.prefix(32), as: UTF8.self)
      switch DiscoveryTopic.parse(topic: message.topic, payload: message.payload, prefix: policy.prefix) {
      case .connected(let device):
        log("RECV: '\(payload)' on '\(message.topic)'")
        seen.append(Seen(device: device, isConnected: true, topic: message.topic, isRetained: message.retained))
      case .disconnected(let device):
        log("RECV: '\(payload)' on '\(message.topic)'")
        seen.append(Seen(device: device, isConnected: false, topic: message.topic, isRetained: message.retained))
      case .cleared: break
      case .ignored(let reason): metrics.add(reason)
      }
    }
    guard !seen.isEmpty else { return false }
    let before = store.registry
    try discover(seen.filter { $0.isConnected && !Self.isKnownFromBefore($0, before) }, broker)
    try recordConnections(seen, broker)
    return true
  }

  /// A retained state that was recorded already is no device that connects: one that was deleted since comes again
  /// when it connects, not when tsq starts anew (L-08, L-14).
  private static func isKnownFromBefore(_ message: Seen, _ registry: Registry) -> Bool {
    message.isRetained && registry.connections[message.device]?.isConnected == true
      && !registry.devices.contains(message.device)
  }

  /// L-11: an edge detector for new devices, in the order of arrival.
  private func discover(_ connected: [Seen], _ broker: String) throws(StorageError) {
    // A device may be somebody's by an event that is lost; its retained state says again, later, that it is there.
    guard !connected.isEmpty else { return }
    guard (try? store.wholeRegistry()) != nil else { return metrics.add(.devicesRefused, connected.count) }
    let admitted = admitted(connected)
    let cause = Cause(message: "mqtt \(broker) \(connected[0].topic.prefix(128))")
    let taken = try store.decide(actor: Actor.daemon, cause: cause) { registry, context in
      var current = registry
      var decision = Decision<Told>(events: [], result: .success(Told()))
      var told = Told()
      for message in connected {
        let known = current.devices[message.device]
        guard known != nil || admitted.contains(message.device) else { continue }
        let found = current.discover(lampi: message.device, interface: "mqtt", context)
        guard case .success(let discovery) = found.result else { continue }
        var events = found.events
        told.lines.append("\(discovery.arrival == .created ? "Created" : "Found") \(discovery.text)")
        if discovery.arrival == .created { told.created += 1 }
        // L-26: a parked device whose code has run out gets a new one at its next sign of life.
        if known?.type == DeviceType.lampi, current.needsCode(message.device, at: context.now) {
          events += current.renewCode(of: message.device, context).events
        }
        current = current.after(events)
        decision.events += events
      }
      decision.result = .success(told)
      return decision
    }
    guard case .success(let told) = taken.result else { return }
    for line in told.lines { log(line) }
    metrics.add(.devicesDiscovered, told.created)
  }

  /// The unknown devices among `connected` that may be created (L-16).
  private func admitted(_ connected: [Seen]) -> Set<String> {
    let devices = store.registry.devices
    let now = store.options.clock.monotonicNanos()
    var admitted: Set<String> = []
    for message in connected
    where !devices.contains(message.device) && !admitted.contains(message.device) {
      if !policy.allows(message.device) {
        metrics.add(.devicesRefused)
        log("Refused \(message.device): no --discovery-allow admits it")
      } else if !limit.withLock({ $0.take(at: now) }) {
        metrics.add(.devicesRefused)
        log("Refused \(message.device): more than \(policy.newDevicesPerMinute) new devices a minute")
      } else {
        admitted.insert(message.device)
      }
    }
    return admitted
  }

  /// L-12, L-14: a state that is known already is no news. L-16: of what is no device nothing is kept.
  private func recordConnections(_ seen: [Seen], _ broker: String) throws(StorageError) {
    let registry = store.registry
    var states = registry.connections.states(of: seen.map(\.device))
    let now = store.options.clock.nowNanos()
    var records: [OperationalRecord] = []
    for message in seen
    where states[message.device] != message.isConnected
      // The end of one that is no device any more, too, or its next beginning were none.
      && (registry.devices.contains(message.device) || states[message.device] == true)
    {
      states[message.device] = message.isConnected
      records.append(
        OperationalRecord(
          recordedAt: now,
          kind: .connectionChanged(
            device: message.device, interface: "mqtt", connected: message.isConnected, source: broker)))
    }
    if !records.isEmpty { _ = try store.record(records) }
  }
}

extension Connections {
  /// The last known states of some devices.
  fileprivate func states(of devices: [String]) -> [String: Bool] {
    var states: [String: Bool] = [:]
    for device in devices { states[device] = self[device]?.isConnected }
    return states
  }
}

extension Actor {
  static let daemon = Actor(.daemon, "mqtt")
}
