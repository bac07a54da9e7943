import Ingest
import Synchronization
import TSEngine

/// Messages of devices of declared types: each is stored before it is processed, and what became of it behind
/// it (D-20), all durable before the broker has its acknowledgement. A message that comes again because
/// it was not acknowledged takes up its record of before.
package final class ThingDoor: Sendable {
  static let topicLimit = 512
  static let contentTypeLimit = 100
  static let correlationLimit = 256
  /// Records that a start looks through for messages that were stored and not processed.
  private static let recallLimit = 20_000
  /// Messages that a broker may have under way to us, at most: twice a batch.
  private static let settledLimit = 4_000

  /// Bytes of reports that one decision takes.
  private static let decisionByteLimit = 1 << 20

  /// What tells a message that comes again from others.
  private struct Key: Hashable {
    var topic: String
    var packetID: UInt16
    var byteCount: Int
    /// Of the payload, for this process.
    var hash: Int
    /// Of equal messages of a round.
    var occurrence = 0

    init(_ topic: String, _ packetID: UInt16, _ payload: [UInt8]) {
      (self.topic, self.packetID, byteCount, hash) = (topic, packetID, payload.count, payload.hashValue)
    }
  }

  private struct Stored: Sendable {
    var lsn: LSN
    var receivedAt: Int64
  }

  private let store: Store
  private let metrics: ServerMetrics
  package let prefix: String
  /// Stored and not processed.
  private let pending = Mutex<[Key: Stored]>([:])

  /// What a broker may send once more. After a connection it sends again first, in order, what it has no
  /// acknowledgement of; so the first message that is neither is new, and so is every one behind it.
  private struct Redelivery: Sendable {
    /// Processed, oldest first; the newest of them are perhaps not acknowledged.
    var settled: [Key] = []
    /// Those that may come again, while nothing new has come.
    var again: Set<Key> = []
    /// Those that came again, of a round that is not finished.
    var hits: Set<Key> = []
    /// Stored by the process before this one and not processed.
    var recalled: [Key: Stored] = [:]
  }
  private let redelivery = Mutex(Redelivery())

  package init(_ store: Store, _ metrics: ServerMetrics, prefix: String = ThingTopic.defaultPrefix) {
    self.store = store
    self.metrics = metrics
    self.prefix = prefix
    recall()
  }

  package func isMine(_ topic: String) -> Bool { ThingTopic(topic, prefix: prefix) != nil }

  private func recall() {
    var (processed, found, done, looked) = (Set<LSN>(), [Key: Stored](), [Key](), 0)
    _ = store.snapshot().readingAroundDamage().records { (record: OperationalRecord) throws(Never) in
      looked += 1
      switch record.kind {
      case .messageProcessed(let lsn, _): processed.insert(lsn)
      case .messageReceived(let message) where message.packetID > 0 && isMine(message.topic):
        let key = Key(message.topic, message.packetID, message.payload)
        if processed.contains(record.lsn) {
          done.append(key)
        } else if found[key] == nil {
          found[key] = Stored(lsn: record.lsn, receivedAt: record.recordedAt)
        }
      default: break
      }
      return looked < Self.recallLimit && done.count + found.count < Self.settledLimit
    }
    let (recalled, settled) = (found, Array(done.reversed()))
    redelivery.withLock { $0 = Redelivery(settled: settled, recalled: recalled) }
  }

  /// A connection has begun, with the session of before or with a new one, in which packet ids begin anew.
  package func connected(sessionPresent: Bool) {
    redelivery.withLock { state in
      if sessionPresent {
        state.again = Set(state.settled)
        state.hits = []
      } else {
        state = Redelivery()
      }
    }
  }

  /// The messages that are not done already.
  private func fresh(_ arrived: [MQTTMessage]) -> [MQTTMessage] {
    redelivery.withLock { state in
      pending.withLock { pending in
        arrived.filter { message in
          guard message.packetID > 0 else { return true }
          let key = Key(message.topic, message.packetID, message.payload)
          if state.hits.contains(key) { return false }
          if state.again.contains(key) {
            state.hits.insert(key)
            return false
          }
          if let stored = state.recalled.removeValue(forKey: key) { pending[key] = stored }
          if pending[key] == nil { (state.again, state.recalled) = ([], [:]) }
          return true
        }
      }
    }
  }

  /// - Returns: whether the registry may have changed.
  /// - Throws: as the store; the messages are to be handed over again then, nothing of them is recorded twice.
  package func take(_ arrived: [MQTTMessage]) throws(StorageError) -> Bool {
    let messages = fresh(arrived)
    if messages.isEmpty {
      redelivery.withLock { $0.hits = [] }
      return false
    }
    let keys = keys(messages)
    let stored = try storeFirst(messages, keys)
    var errors = [String?](repeating: nil, count: messages.count)
    // Who is who is not told by what is left of a damaged registry: the messages are kept as they are.
    guard let registry = try? store.wholeRegistry() else {
      pending.withLock { pending in for key in keys { pending[key] = nil } }
      return false
    }
    var requests: [(index: Int, request: CommitRequest.AppendRequest)] = []
    var reports: [(index: Int, report: ThingReport)] = []
    for (index, message) in messages.enumerated() {
      switch work(message, stored[index], registry) {
      case .failure(let wrong): errors[index] = wrong.sentence
      case .success(let work):
        if let request = work.request { requests.append((index, request)) }
        if let report = work.report { reports.append((index, report)) }
      }
    }
    for (asked, result) in zip(requests, store.append(each: requests.map(\.request))) {
      switch result {
      case .success(let answer): metrics.add(1, .mqttFrames, answer)
      case .failure(let error) where error.isAboutTheRequest: errors[asked.index] = error.reason
      case .failure(let error): throw error
      }
    }
    let isChanged = try decide(reports, &errors)
    try finish(stored, keys, errors)
    return isChanged
  }

  // MARK: Storing

  private func keys(_ messages: [MQTTMessage]) -> [Key] {
    var seen: [Key: Int] = [:]
    return messages.map { message in
      var key = Key(message.topic, message.packetID, message.payload)
      let count = seen[key, default: 0]
      seen[key] = count + 1
      key.occurrence = count
      return key
    }
  }

  private func storeFirst(_ messages: [MQTTMessage], _ keys: [Key]) throws(StorageError) -> [Stored] {
    let known = pending.withLock { pending in keys.map { pending[$0] } }
    let now = store.options.clock.nowNanos()
    var records: [OperationalRecord] = []
    for (message, stored) in zip(messages, known) where stored == nil {
      records.append(OperationalRecord(recordedAt: now, kind: .messageReceived(received(message))))
    }
    if records.isEmpty { return known.compactMap(\.self) }
    let last = try store.record(records)
    var next = last - LSN(records.count - 1)
    let all = known.map { stored in
      if let stored { return stored }
      defer { next += 1 }
      return Stored(lsn: next, receivedAt: now)
    }
    pending.withLock { pending in
      for (key, stored) in zip(keys, all) { pending[key] = stored }
    }
    return all
  }

  private func received(_ message: MQTTMessage) -> ReceivedMessage {
    let device = ThingTopic(message.topic, prefix: prefix)?.device ?? ""
    var received = ReceivedMessage(
      device: device, interface: "mqtt", topic: message.topic, payload: message.payload)
    received.contentType = message.contentType ?? ""
    received.correlation = message.correlationData ?? []
    received.userProperties = message.userProperties.map { .init(name: $0.name, value: $0.value) }
    received.qos = UInt8(truncatingIfNeeded: message.qos)
    received.retained = message.retained
    received.packetID = message.packetID
    return received
  }

  private func finish(_ stored: [Stored], _ keys: [Key], _ errors: [String?]) throws(StorageError) {
    let now = store.options.clock.nowNanos()
    let records = zip(stored, errors).map { stored, error in
      OperationalRecord(recordedAt: now, kind: .messageProcessed(messageLSN: stored.lsn, error: error ?? ""))
    }
    _ = try store.record(records)
    pending.withLock { pending in for key in keys { pending[key] = nil } }
    redelivery.withLock { state in
      state.settled += keys.filter { $0.packetID > 0 && $0.occurrence == 0 }
      state.settled.removeFirst(max(0, state.settled.count - Self.settledLimit))
      state.hits = []
    }
    metrics.add(.mqttRefusals, errors.count { $0 != nil })
  }

  // MARK: Processing

  private struct Work {
    var request: CommitRequest.AppendRequest?
    var report: ThingReport?
  }

  private func work(
    _ message: MQTTMessage, _ stored: Stored, _ registry: Registry
  ) -> Result<Work, ThingReadings.Wrong> {
    Result { () throws(ThingReadings.Wrong) in
      guard let topic = ThingTopic(message.topic, prefix: prefix) else { throw .init("a topic of nobody") }
      if message.isOversized { throw .init(MQTTMessage.oversizedText) }
      if message.topic.utf8.count > Self.topicLimit { throw .init("the topic is over \(Self.topicLimit) long") }
      if message.contentType?.utf8.count ?? 0 > Self.contentTypeLimit {
        throw .init("the content type is over \(Self.contentTypeLimit) long")
      }
      if message.correlationData?.count ?? 0 > Self.correlationLimit {
        throw .init("the correlation id is over \(Self.correlationLimit) long")
      }
      guard let device = registry.devices[topic.device] else { throw .init("unknown device") }
      guard device.type == topic.type, let schema = registry.types[device.type]?.schema else {
        throw .init("the device is of the type \(device.type)")
      }
      switch topic.channel {
      case .data:
        var work = Work()
        let batch = try ThingReadings.batch(
          message.payload, device: device.id, schema: schema, receivedAt: message.retained ? nil : stored.receivedAt, store.symbols)
        if let batch { work.request = CommitRequest.AppendRequest(batch) }
        if !message.retained, device.status == .offline || device.status == .provisioning {
          work.report = ThingReport(device: device.id, topic: message.topic, status: .online)
        }
        return work
      case .status:
        return Work(report: try ThingReport(message.payload, device, message.topic, registry))
      case .ack:
        return Work(report: try ThingReport(answer: message, device.id))
      }
    }
  }

  private func decide(
    _ reports: [(index: Int, report: ThingReport)], _ errors: inout [String?]
  ) throws(StorageError) -> Bool {
    var left = reports.filter { errors[$0.index] == nil }[...]
    if left.isEmpty { return false }
    while !left.isEmpty {
      var byteCount = 0
      let part = left.prefix { asked in
        byteCount += asked.report.byteBound
        return byteCount <= Self.decisionByteLimit || byteCount == asked.report.byteBound
      }
      left = left.dropFirst(part.count)
      let wanted = part.map(\.report)
      let cause = Cause(message: wanted.count == 1 ? wanted[0].topic : "\(prefix)/+/+/status")
      let taken = try store.decide(actor: .daemon, cause: cause) { registry, context in
        var current = registry
        var (events, answers) = ([Event](), [Refusal?]())
        for report in wanted {
          let reported = report.decide(current, context)
          events += reported.events
          current = current.after(reported.events)
          if case .failure(let refusal) = reported.result { answers.append(refusal) } else { answers.append(nil) }
        }
        return Decision<[Refusal?]>(events: events, result: .success(answers))
      }
      guard case .success(let answers) = taken.result else { continue }
      for (asked, refusal) in zip(part, answers) { errors[asked.index] = refusal?.sentence }
    }
    return true
  }
}

/// What a device says of itself on its status channel (D-22).
struct ThingReport: Sendable {
  var device: String
  var topic: String
  var status: DeviceStatus?
  var fields: [(name: String, value: FieldValue)] = []
  /// What a device says of a command: by its id, or else by its name.
  var answer: (id: String?, name: String?, isDone: Bool, text: String)?

  private static let answerLimit = 4096

  /// Bytes of the events that it may make, roughly.
  var byteBound: Int {
    fields.reduce(1024 + (answer?.text.utf8.count ?? 0)) { $0 + 256 + $1.name.utf8.count + $1.value.json.utf8.count }
  }

  func decide(_ registry: Registry, _ context: DecisionContext) -> Decision<Void> {
    if let answer {
      return registry.answerCommand(
        of: device, id: answer.id, name: answer.name, isDone: answer.isDone, answer: answer.text, context)
    }
    return registry.reportStatus(device, status: status, fields: fields, context)
  }

  /// The id comes in the message's correlation data (MQTT 5) or as `correlation_id`; without both the oldest command
  /// of the name `command` is meant. It is refused where `ok` is false or `error` is there.
  init(answer message: MQTTMessage, _ device: String) throws(ThingReadings.Wrong) {
    self.init(device: device, topic: message.topic, status: nil)
    var members: [String: JSONTree] = [:]
    if !message.payload.isEmpty {
      guard case .object(let given)? = JSONTree.parse(message.payload) else { throw .init("not a JSON object") }
      members = given
    }
    var id = message.correlationData.map { String(decoding: $0, as: UTF8.self) }
    if id == nil, case .text(let text)? = members["correlation_id"] { id = text }
    var name: String?
    if case .text(let text)? = members["command"] { name = text }
    guard id != nil || name != nil else { throw .init("an answer to no command") }
    let isDone = members["ok"] != .bool(false) && members["error"] ?? .null == .null
    answer = (id, name, isDone, String(decoding: message.payload.prefix(Self.answerLimit), as: UTF8.self))
  }

  init(device: String, topic: String, status: DeviceStatus?) {
    (self.device, self.topic, self.status) = (device, topic, status)
  }

  /// Fields that neither every device nor its type has are left out.
  init(
    _ payload: [UInt8], _ device: Device, _ topic: String, _ registry: Registry
  ) throws(ThingReadings.Wrong) {
    self.init(device: device.id, topic: topic, status: nil)
    guard case .object(let members)? = JSONTree.parse(payload) else { throw .init("not a JSON object") }
    switch members["status"] {
    case nil: if device.status == .offline || device.status == .provisioning { status = .online }
    case .text(let word)?:
      guard let known = DeviceStatus(rawValue: word) else { throw .init("\"\(word.prefix(32))\" is no status") }
      status = known
    default: throw .init("the status is no text")
    }
    let declared = registry.types.details(of: device.type)
    for (name, value) in members.sorted(by: { $0.key < $1.key })
    where name == DeviceField.batteryLevel || name == DeviceField.firmwareVersion || declared[state: name] != nil {
      fields.append((name, value.field))
    }
  }
}
