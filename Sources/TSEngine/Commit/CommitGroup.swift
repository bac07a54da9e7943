/// What one batch of the log will hold, as it is gathered: effects to publish once it is durable.
struct CommitGroup {
  struct Part {
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

/// What a batch must keep before the writer looks at it further.
enum AppendCheck {
  /// - Throws: `.invalid` naming what is wrong.
  static func check(
    _ request: CommitRequest.AppendRequest, registry: Registry, symbols: SymbolTable
  ) throws(StorageError) {
    let batch = request.batch
    guard registry.types.isLive(batch.table), let schema = registry.schema(batch.table) else {
      throw StorageError(.invalid, "unknown table")
    }
    let door = ColumnDoor(schema, symbols)
    for (index, frame) in batch.frames.enumerated() {
      guard DeviceID.isValid(frame.device) else {
        throw StorageError(.invalid, "a device id is 1 to 128 of A-Z a-z 0-9 . _ -")
      }
      if request.creator == nil, !registry.devices.contains(frame.device) {
        throw StorageError(.invalid, "unknown device")
      }
      for run in frame.runs {
        try check(batch.runs[run].times)
        try door.check(run, of: batch, frame: index)
      }
    }
  }

  /// What holds of a batch by itself: enough to ask questions about its instants.
  /// - Throws: `.invalid`.
  static func checkTimes(of batch: FrameBatch) throws(StorageError) {
    for run in batch.runs { try check(run.times) }
  }

  private static func check(_ times: SampleTimes) throws(StorageError) {
    guard times.count <= FrameRecord.maxRows else {
      throw StorageError(.invalid, "too many rows in one run")
    }
    if case .explicit(let instants) = times {
      guard !instants.isEmpty, zip(instants, instants.dropFirst()).allSatisfy({ $0 < $1 }) else {
        throw StorageError(.invalid, "instants of a run must rise")
      }
    }
  }

  /// An upper bound of the bytes that a request takes in the log, devices it makes included.
  static func byteBound(
    _ request: CommitRequest.AppendRequest, _ symbols: SymbolTable, _ registry: Registry
  ) -> Int {
    let batch = request.batch
    let texts = Set(
      (registry.schema(batch.table)?.columns ?? [])
        .filter { $0.type == .symbol || $0.type == .text }.map(\.id))
    var bound =
      batch.values.count * 8 + batch.validity.count / 8 + batch.cells.count * 16
      + batch.frames.count * 1024
    for message in request.messages { bound += message.byteBound }
    for run in batch.runs {
      bound += 48
      if case .explicit(let instants) = run.times { bound += instants.count * 8 }
      for cell in batch.cells[run.cells] where texts.contains(cell.column) {
        bound += textBound(cell, run.times.count, batch, symbols)
      }
    }
    return bound
  }

  private static func textBound(
    _ cell: FrameBatch.Cell, _ count: Int, _ batch: FrameBatch, _ symbols: SymbolTable
  ) -> Int {
    let codes: Set<Int64>
    switch cell.content {
    case .constant(let code): codes = [code]
    case .values(let start), .nullable(let start, _):
      codes = Set(batch.values[start..<(start + count)])
    }
    return codes.reduce(0) { $0 + (symbols.text(of: $1)?.utf8.count ?? 0) + 10 }
  }
}
