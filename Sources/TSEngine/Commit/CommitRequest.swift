/// What somebody wants made durable, and how they are told.
package enum CommitRequest: Sendable {
  case append(AppendRequest, @Sendable (Result<AppendResult, StorageError>) -> Void)
  /// Takes a decision on the registry as it stands in the writer's turn and records its events.
  /// Gives the LSN of the last event, or the newest durable one when there was none.
  case decide(
    @Sendable (Registry) -> [Event], @Sendable (Result<LSN, StorageError>) -> Void)
  case record([OperationalRecord], @Sendable (Result<LSN, StorageError>) -> Void)
  /// Ends the log segment and the head; gives the head that is now frozen.
  case rotate(@Sendable (Result<Rotation, StorageError>) -> Void)
  /// Makes files live that were written beside the log, and others dead. Gives the newest LSN.
  case install(Installation, @Sendable (Result<LSN, StorageError>) -> Void)
  /// An act on stored readings, in a batch of its own.
  case amend(
    @Sendable (Live) throws(StorageError) -> Amendment,
    @Sendable (Result<AppendResult, StorageError>) -> Void)
  /// Witnesses the last batch, when nothing has followed it.
  case idleSeal

  /// What an act on stored readings records: events, and behind them rows that come back by it.
  package struct Amendment: Sendable {
    package var events: [Event]
    package var rows: FrameBatch?
    /// Stored as they are, although the store may have them; else they are sorted like any append,
    /// whatever their times.
    package var isVerbatim = false
    package init(_ events: [Event]) { self.events = events }
  }

  package struct AppendRequest: Sendable {
    package var batch: FrameBatch
    /// Who makes devices that are not there yet; nil refuses the batch when one is missing.
    package var creator: Actor?
    /// A message per frame of the batch, recorded with it (`frameLSN` is filled in), or empty.
    package var messages: [ReceivedMessage]
    /// Stored if all of its rows are new, else refused as a whole.
    var onlyNew = false
    /// What the store had at instants of the batch before it was queued.
    var known = KnownRows()

    package init(_ batch: FrameBatch, creator: Actor? = nil, messages: [ReceivedMessage] = []) {
      self.batch = batch
      self.creator = creator
      self.messages = messages
    }
  }

  /// A change of the live files, atomic in the manifest.
  package struct Installation: Sendable {
    /// Data segments that come, open for reading, and what the manifest says of them.
    package var added: [(reader: DataSegmentReader, meta: Manifest.DataSegment)] = []
    package var removed: Set<UInt64> = []
    package var journals: [Manifest.JournalSegment] = []
    /// The Merkle root over what is sealed, as a journal of `journals` has it.
    package var link: ChainLink?
    /// Set when the files replace a frozen head and its log segments.
    package var sealed: Rotation?
    /// A bulk append: the added segments' LSNs count from the one LSN given to it in its turn.
    package var isBulk = false
    /// What a bulk append brings.
    package var coverage: [(key: SeriesKey, run: Coverage.Run)] = []
    /// The newest durable LSN when a bulk append was compared with what the store has.
    package var comparedLSN: LSN = 0
    /// Devices of a bulk append that may be new, made by `creator`.
    package var devices: [String] = []
    package var creator: Actor?
    /// Rows that are gone from the files for good.
    package var removedRows: (table: TableID, parts: [RemovedRows.Part])?
    /// Rollup segments that come, with durable files, and those that go.
    package var rollups: [RollupSegmentReader] = []
    package var removedRollups: Set<UInt64> = []
    package init() {}
  }

  /// What a change of the log segment froze, to be sealed.
  package struct Rotation: Sendable {
    package var head: Head
    /// The log segment that ended.
    package var logSegment: UInt64
    package var lastLSN: LSN
    /// As of that LSN.
    package var registry: Registry
  }

  /// Bytes it holds in the queue, roughly.
  package var byteCount: Int {
    switch self {
    case .append(let request, _):
      request.batch.values.count * 8 + request.batch.frames.count * 64
        + request.batch.runs.count * 96 + request.messages.reduce(128) { $0 + $1.byteBound }
    default: 256
    }
  }

  package func fail(_ error: StorageError) {
    switch self {
    case .append(_, let done): done(.failure(error))
    case .decide(_, let done): done(.failure(error))
    case .record(_, let done): done(.failure(error))
    case .rotate(let done): done(.failure(error))
    case .install(_, let done): done(.failure(error))
    case .amend(_, let done): done(.failure(error))
    case .idleSeal: break
    }
  }
}

extension ReceivedMessage {
  /// An upper bound of the bytes that its record takes.
  package var byteBound: Int {
    512 + device.utf8.count + topic.utf8.count + payload.count + extras.utf8.count
      + version.utf8.count + contentType.utf8.count + correlation.count
      + userProperties.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count + 16 }
  }
}
