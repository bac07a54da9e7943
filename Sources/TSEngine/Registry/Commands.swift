import HashTreeCollections

/// What is sent to a device, as it was decided.
package struct CommandOrder: Sendable, Equatable {
  /// 32 hex digits: the correlation id.
  package var id: String
  package var device: String
  package var name: String
  /// A JSON object, or empty: without one.
  package var payload: String
  /// The name of the broker that it goes to.
  package var broker: String
  /// From then on it is not published any more.
  package var expiresAt: Int64
  /// How long after it was published an answer is waited for.
  package var answerNanos: Int64

  /// What the device reads (D-23).
  package var message: String {
    var json = JSONText()
    json.add("command", name)
    if !payload.isEmpty { json.add("payload", raw: payload) }
    return json.closed
  }
}

/// How a command ended without an answer.
package enum CommandEnd: String, Sendable, CaseIterable {
  /// Not published in time.
  case expired
  /// Published, and not answered in time.
  case timedOut = "timed_out"
  /// It cannot be published.
  case failed
}

/// Commands that are to be published or answered: the outbox. What has ended is in the journal alone.
package struct Commands: Sendable, Equatable {
  package struct Open: Sendable, Equatable {
    package let order: CommandOrder
    package let sentLSN: LSN
    package var publishedAt: Int64?

    /// When the next thing happens to it by the clock alone.
    package var dueAt: Int64 {
      publishedAt.map { $0.addingReportingOverflow(order.answerNanos).partialValue } ?? order.expiresAt
    }
  }

  private var byID: TreeDictionary<String, Open> = [:]

  package init() {}

  package var isEmpty: Bool { byID.isEmpty }
  package subscript(id: String) -> Open? { byID[id] }
  /// In the order in which they were sent. O(n log n).
  package func sorted() -> [Open] { byID.values.sorted { $0.sentLSN < $1.sentLSN } }

  mutating func apply(_ event: Event) {
    switch event.kind {
    case .commandSent(let order):
      if byID[order.id] == nil { byID[order.id] = Open(order: order, sentLSN: event.lsn) }
    case .commandPublished(let id, _): byID[id]?.publishedAt = event.recordedAt
    case .commandAnswered(let id, _, _, _), .commandEnded(let id, _, _, _): byID[id] = nil
    case .deviceDeleted(let device):
      for (id, open) in byID where open.order.device == device { byID[id] = nil }
    default: break
    }
  }
}

extension Commands: Checkpointed {
  func encode(into writer: inout ByteWriter) {
    writer.varint(byID.count)
    for open in sorted() {
      let order = open.order
      for text in [order.id, order.device, order.name, order.payload, order.broker] { writer.string(text) }
      writer.put(order.expiresAt)
      writer.put(order.answerNanos)
      writer.varint(open.sentLSN)
      writer.optional(open.publishedAt)
    }
  }

  init(from reader: inout ByteReader) throws(StorageError) {
    for _ in 0..<(try reader.count(limit: reader.remaining)) {
      let order = CommandOrder(
        id: try reader.string(), device: try reader.string(), name: try reader.string(),
        payload: try reader.string(), broker: try reader.string(), expiresAt: try reader.next(Int64.self),
        answerNanos: try reader.next(Int64.self))
      var open = Open(order: order, sentLSN: try reader.varint())
      open.publishedAt = try reader.optional()
      byID[order.id] = open
    }
  }
}

/// All commands that events tell of, with what became of each. Feed it events in order of LSN.
package struct CommandHistory: Sendable {
  package struct Entry: Sendable {
    package let order: CommandOrder
    /// Of the event that sent it.
    package let lsn: LSN
    package let sentAt: Int64
    package var publishedAt: Int64?
    package var endedAt: Int64?
    /// `pending`, `published`, `acknowledged`, `refused`, `expired`, `timed_out` or `failed`.
    package var state = "pending"
    /// What the device said, or why it failed.
    package var answer = ""
  }

  package private(set) var entries: [Entry] = []
  private var places: [String: Int] = [:]

  package init() {}

  package mutating func apply(_ event: Event) {
    switch event.kind {
    case .commandSent(let order):
      places[order.id] = entries.count
      entries.append(Entry(order: order, lsn: event.lsn, sentAt: event.recordedAt))
    case .commandPublished(let id, _):
      guard let place = places[id] else { return }
      entries[place].publishedAt = event.recordedAt
      entries[place].state = "published"
    case .commandAnswered(let id, _, let isDone, let answer):
      end(id, isDone ? "acknowledged" : "refused", answer, event.recordedAt)
    case .commandEnded(let id, _, let end, let reason): self.end(id, end.rawValue, reason, event.recordedAt)
    case .deviceDeleted(let device):
      for (id, place) in places where entries[place].order.device == device && entries[place].endedAt == nil {
        end(id, "failed", "the device was deleted", event.recordedAt)
      }
    default: break
    }
  }

  private mutating func end(_ id: String, _ state: String, _ answer: String, _ time: Int64) {
    guard let place = places[id] else { return }
    entries[place].state = state
    entries[place].answer = answer
    entries[place].endedAt = time
  }
}
