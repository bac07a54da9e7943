/// What a session is subscribed to, kept retained at the broker, a filter a line: a start with other filters ends what is
/// not among them any more, which a broker would keep for ever.
///
/// Of a connection the first retained list counts, and no other message on the topic: a session is delivered what was
/// said there while it was away, too. What is kept is the union of old
/// and new until the broker has ended the old ones, so that a process that dies in between leaves nothing unknown.
struct KeptFilters {
  enum Step: Equatable {
    /// Sends what comes back behind a retained list, or alone where there is none.
    case ask([UInt8])
    case keep([UInt8])
    case end(String)
  }

  /// More than a session of ours ever has.
  static let limit = 100

  let topic: String
  private let wanted: [[UInt8]]
  /// Told from that of another connection.
  private let question: [UInt8]
  private var isKnown = false
  private var endsOld = false
  /// What the broker has not ended yet, by packet id.
  private var pending: [Int32: String] = [:]

  init(topic: String, filters: [String], nonce: UInt64 = .random(in: 0 ... .max)) {
    self.topic = topic
    question = Array("?\(nonce)".utf8)
    wanted = filters.map { Array($0.utf8) }
  }

  /// What to do once the topic is subscribed to.
  var first: Step { .ask(question) }

  /// What to do about a message on the topic.
  mutating func take(_ message: MQTTMessage) -> [Step] {
    guard !isKnown, message.retained || message.payload == question else { return [] }
    isKnown = true
    guard message.retained else { return [.keep(Self.payload(wanted))] }
    let kept = Self.filters(message.payload)
    let old = kept.filter { !wanted.contains($0) && $0 != Array(topic.utf8) }
    endsOld = !old.isEmpty
    if old.isEmpty { return Set(kept) == Set(wanted) ? [] : [.keep(Self.payload(wanted))] }
    return [.keep(Self.payload(wanted + old))] + old.map { .end(String(decoding: $0, as: UTF8.self)) }
  }

  mutating func isEnding(_ packetID: Int32, _ filter: String = "") { pending[packetID] = filter }

  /// Of those that are being ended.
  func filter(_ packetID: Int32) -> String? { pending[packetID] }

  /// What to do once the broker has ended some, or the library took none of them for a filter.
  mutating func ended(_ packetIDs: [Int32]) -> Step? {
    for packetID in packetIDs { pending[packetID] = nil }
    guard endsOld, pending.isEmpty else { return nil }
    endsOld = false
    return .keep(Self.payload(wanted))
  }

  private static func payload(_ filters: [[UInt8]]) -> [UInt8] { Array(filters.joined(separator: [0x0A])) }

  /// The filters of a list as the library will see them: a byte below 0x20, NUL first of all, would end or change one.
  private static func filters(_ payload: [UInt8]) -> [[UInt8]] {
    payload.split(separator: 0x0A).prefix(limit).map(Array.init).filter { filter in
      filter.allSatisfy { $0 >= 0x20 } && Array(String(decoding: filter, as: UTF8.self).utf8) == filter
    }
  }
}
