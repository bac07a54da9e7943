import Ingest
import TSEngine

/// Power-meter frames that came over a broker, into the store; each message is answered by itself.
///
/// The messages of a batch go in as one request where all of their rows are new, as they are but for
/// redeliveries; else each by itself.
struct FrameMessages: Sendable {
  /// A message of the topic `powermon/<sensor>/data`.
  struct Arrived: Sendable {
    var message: MQTTMessage
    var sensor: String
  }

  /// Answers to what is stored, or refused for what it holds; and what the store cannot take now.
  struct Outcome: Sendable {
    var answers: [MQTTPublication] = []
    var unsettled: [MQTTMessage] = []
  }

  private let store: Store
  private let frames: FrameDoor
  private let metrics: ServerMetrics
  /// Topics below which tsq speaks to devices.
  private let keptRooms: [String]

  /// - Parameter prefixes: of further topics where tsq or devices alone speak.
  init(_ store: Store, _ frames: FrameDoor, _ metrics: ServerMetrics, prefixes: [String] = []) {
    keptRooms = ["powermon", "devices", "tsq", ThingTopic.defaultPrefix] + prefixes
    self.store = store
    self.frames = frames
    self.metrics = metrics
  }

  /// The `<sensor>` of `powermon/<sensor>/data`.
  static func sensor(ofDataTopic topic: String) -> String? {
    let parts = topic.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    guard parts.count == 3, parts[0].elementsEqual("powermon".utf8), parts[2].elementsEqual("data".utf8)
    else { return nil }
    return String(Substring(parts[1]))
  }

  /// Durable on return, but for what is unsettled.
  func store(_ arrived: [Arrived]) -> Outcome {
    // A retained message that was cleared is nothing (L-27).
    let data = arrived.filter { !$0.message.payload.isEmpty || $0.message.isOversized }
    if data.isEmpty { return Outcome() }
    return (data.count > 1 ? storeTogether(data) : nil) ?? storeEach(data)
  }

  // MARK: Together

  /// Nil, with nothing stored, where some rows are not new, or the store does not take them so.
  private func storeTogether(_ data: [Arrived]) -> Outcome? {
    var outcome = Outcome()
    var gathered = FrameDoor.Parsed()
    // Of each frame the message; of each message that is read its place and frames.
    var sources: [Int] = []
    var read: [(message: Int, frames: Range<Int>)] = []
    for (at, item) in data.enumerated() {
      do throws(FrameError) {
        let first = gathered.infos.count
        try parse(item, into: &gathered)
        read.append((at, first..<gathered.infos.count))
        for _ in first..<gathered.infos.count { sources.append(at) }
      } catch {
        outcome.answers.append(answer(item.message, error))
      }
    }
    let refused = outcome.answers.count
    if !read.isEmpty {
      let request = frames.request(gathered, creator: Actor.daemon, interface: "mqtt", topic: "") { frame, received in
        Self.complete(&received, data[sources[frame]].message)
      }
      guard let result = try? store.appendNew(request) else { return nil }
      for (at, range) in read {
        var part = AppendResult()
        part.new = range.reduce(0) { $0 + gathered.batch.rowCount(ofFrame: $1) }
        part.lsn = result.lsn
        outcome.answers.append(
          answer(data[at].message, part, timestamp: gathered.infos[range.upperBound - 1].timestampText))
      }
      metrics.add(read.count, .mqttFrames, result)
    }
    metrics.add(.mqttRefusals, refused)
    return outcome
  }

  // MARK: Each by itself

  private func storeEach(_ data: [Arrived]) -> Outcome {
    var outcome = Outcome()
    var requests: [CommitRequest.AppendRequest] = []
    var asked: [(message: MQTTMessage, timestamp: String?)] = []
    for item in data {
      do throws(FrameError) {
        var parsed = FrameDoor.Parsed()
        try parse(item, into: &parsed)
        requests.append(
          frames.request(parsed, creator: Actor.daemon, interface: "mqtt", topic: "") {
            Self.complete(&$1, item.message)
          })
        asked.append((item.message, parsed.infos.last?.timestampText))
      } catch {
        metrics.add(.mqttRefusals)
        outcome.answers.append(answer(item.message, error))
      }
    }
    for ((message, timestamp), result) in zip(asked, store.append(each: requests)) {
      switch result {
      case .success(let stored):
        metrics.add(1, .mqttFrames, stored)
        outcome.answers.append(answer(message, stored, timestamp: timestamp))
      case .failure(let error) where !error.isAboutTheRequest: outcome.unsettled.append(message)
      case .failure(let error):
        metrics.add(.mqttRefusals)
        let fault = FrameError(path: "", reason: error.reason, kind: .form, timestamp: timestamp)
        outcome.answers.append(answer(message, fault))
      }
    }
    return outcome
  }

  // MARK: Reading

  /// - Throws: what is wrong with the message; `parsed` is as it was.
  private func parse(_ item: Arrived, into parsed: inout FrameDoor.Parsed) throws(FrameError) {
    if item.message.isOversized {
      throw FrameError(path: "", reason: MQTTMessage.oversizedText, kind: .limit)
    }
    let (mark, count) = (parsed.batch.mark, parsed.infos.count)
    let payload = item.message.payload.span
    try frames.parse(payload.bytes, into: &parsed)
    guard let stray = parsed.infos[count...].first(where: { $0.sensorID != item.sensor }) else { return }
    let timestamp = stray.timestampText
    parsed.rollBack(to: mark, count: count)
    throw FrameError(
      path: "sensor_id", reason: "not the sensor of the topic", kind: .form, timestamp: timestamp)
  }

  /// What the broker says of the message that brought a frame.
  private static func complete(_ received: inout ReceivedMessage, _ message: MQTTMessage) {
    received.topic = message.topic
    received.qos = UInt8(truncatingIfNeeded: message.qos)
    received.retained = message.retained
    received.packetID = message.packetID
    received.correlation = message.correlationData ?? []
  }

  // MARK: Answers

  /// tsq may write everywhere, its senders not: nobody has it speak to another device (L-51).
  private func responseTopic(of message: MQTTMessage) -> String? {
    guard let topic = message.responseTopic, !topic.isEmpty, !topic.utf8.contains(where: { $0 == 0x23 || $0 == 0x2B })
    else { return nil }
    func isBelow(_ room: some StringProtocol) -> Bool {
      topic.utf8.starts(with: room.utf8) && (topic.utf8.count == room.utf8.count
        || topic.utf8.dropFirst(room.utf8.count).first == UInt8(ascii: "/"))
    }
    if isBelow(message.topic.dropLast("/data".count)) { return topic == message.topic ? nil : topic }
    return topic.hasPrefix("$") || keptRooms.contains(where: isBelow) ? nil : topic
  }

  private func answer(
    _ message: MQTTMessage, _ stored: AppendResult, timestamp: String?
  ) -> MQTTPublication {
    answer(message, stored.openJSON + ",\"timestamp\":" + (timestamp ?? "null") + "}")
  }

  private func answer(_ message: MQTTMessage, _ error: FrameError) -> MQTTPublication {
    var json = JSONText()
    json.add("timestamp", raw: error.timestamp ?? "null")
    json.add("error", error.reason)
    json.add("path", error.path)
    return answer(message, json.closed)
  }

  /// To the response topic when the sender named one (MQTT 5) that is not for tsq alone to write, else to the sensor's ack topic; at QoS 0: an
  /// answer that is lost costs a retransmission, which is known, and a confirmation of each answer would take
  /// as much of the broker as the frames.
  private func answer(_ message: MQTTMessage, _ text: String) -> MQTTPublication {
    MQTTPublication(
      topic: responseTopic(of: message) ?? String(message.topic.dropLast("data".count)) + "ack",
      payload: Array(text.utf8), qos: 0, correlationData: message.correlationData)
  }
}
