/// What one batch of the log will hold, as it is gathered: effects to publish once it is durable.
package struct CommitGroup {
  package struct Part: Sendable {
    var batch: FrameBatch
    /// Series number of each run.
    var series: [Int]
    /// LSN of the first frame; the others follow.
    var firstLSN: LSN
  }

  let firstLSN: LSN
  private(set) var nextLSN: LSN
  /// The registry with this group's events applied.
  private(set) var registry: Registry
  private(set) var parts: [Part] = []
  private(set) var events: [Event] = []
  private(set) var records: [OperationalRecord] = []
  /// Called with the newest LSN once durable, or with why not.
  var answers: [(Result<LSN, StorageError>) -> Void] = []

  init(registry: Registry, firstLSN: LSN) {
    self.registry = registry
    self.firstLSN = firstLSN
    nextLSN = firstLSN
  }

  var isEmpty: Bool { answers.isEmpty }

  /// - Throws: `.invalid` for events that cannot be encoded; none of them is added then.
  mutating func add(_ new: [Event], to builder: inout LogBatchBuilder) throws(StorageError) {
    var bodies: [[UInt8]] = []
    for event in new { bodies.append(try Journal.encode(event)) }
    for (event, body) in zip(new, bodies) {
      builder.add(.event, body)
      var numbered = event
      numbered.lsn = nextLSN
      nextLSN += 1
      registry.apply(numbered)
      events.append(numbered)
    }
  }

  /// - Throws: `.invalid` for records that cannot be encoded; none of them is added then.
  mutating func add(
    _ new: [OperationalRecord], to builder: inout LogBatchBuilder
  ) throws(StorageError) {
    var bodies: [[UInt8]] = []
    for record in new { bodies.append(try Journal.encode(record)) }
    add(new, bodies, to: &builder)
  }

  private mutating func add(
    _ new: [OperationalRecord], _ bodies: [[UInt8]], to builder: inout LogBatchBuilder
  ) {
    for (record, body) in zip(new, bodies) {
      builder.add(.message, body)
      var numbered = record
      numbered.lsn = nextLSN
      nextLSN += 1
      registry.apply(numbered)
      records.append(numbered)
    }
  }

  /// Adds devices that are missing, frames and messages of one request.
  /// - Throws: `.invalid`; the group is unchanged then, but for devices already made.
  mutating func add(
    _ accepted: Intake.Accepted, _ request: CommitRequest.AppendRequest,
    now: Int64, context: DecisionContext?, symbols: SymbolTable, to builder: inout LogBatchBuilder
  ) throws(StorageError) -> AppendResult {
    if let context { try addMissingDevices(of: request.batch, context, to: &builder) }
    // Messages are encoded first: one that cannot be must leave no frame of the request behind.
    let messages = messages(of: request, accepted, now: now)
    var bodies: [[UInt8]] = []
    for message in messages { bodies.append(try Journal.encode(message)) }
    for part in accepted.parts {
      let symbolColumns = (registry.schema(part.batch.table)?.columns ?? [])
        .filter { $0.type == .symbol || $0.type == .text }.map(\.id)
      parts.append(Part(batch: part.batch, series: part.series, firstLSN: nextLSN))
      for index in part.batch.frames.indices {
        builder.add(.frame) {
          FrameRecord.encode(
            part.batch, frame: index, symbols: symbols, symbolColumns: symbolColumns, into: &$0)
        }
      }
      nextLSN += LSN(part.batch.frames.count)
    }
    add(messages, bodies, to: &builder)
    return accepted.result
  }

  /// The messages of a request, each with the LSN that its frame is about to get; 0 where all rows
  /// of the frame were known.
  private func messages(
    of request: CommitRequest.AppendRequest, _ accepted: Intake.Accepted, now: Int64
  ) -> [OperationalRecord] {
    if request.messages.isEmpty { return [] }
    var frameLSN = [LSN](repeating: 0, count: request.batch.frames.count)
    var lsn = nextLSN
    for frame in accepted.parts.flatMap(\.frames) {
      frameLSN[frame] = lsn
      lsn += 1
    }
    return request.messages.enumerated().map { index, message in
      var message = message
      message.frameLSN = index < frameLSN.count ? frameLSN[index] : 0
      return OperationalRecord(recordedAt: now, kind: .messageReceived(message))
    }
  }

  mutating func addMissingDevices(
    of batch: FrameBatch, _ context: DecisionContext, to builder: inout LogBatchBuilder
  ) throws(StorageError) {
    guard let type = registry.schema(batch.table)?.name else { return }
    for frame in batch.frames where !registry.devices.contains(frame.device) {
      let decision = registry.createDevice(frame.device, type: type, context)
      if case .failure(let refusal) = decision.result {
        throw StorageError(.invalid, refusal.sentence)
      }
      try add(decision.events, to: &builder)
    }
  }
}
