import Synchronization

/// What readers see: swapped whole under a lock held for nanoseconds.
package struct Live: Sendable {
  /// Everything up to this LSN is durable and visible.
  package var durableLSN: LSN = 0
  package var registry = Registry()
  /// Oldest first; the last one takes new rows, the others are being sealed.
  package var heads: [Head] = []
  /// Live data segments in order of their ids.
  package var segments: [DataSegmentReader] = []
  package var manifest = Manifest()
  /// Registry events that journal segments hold, as far as they could be read.
  package var sealedEventCount = 0
  /// Live rollup segments in order of their ids.
  package var rollups: [RollupSegmentReader] = []
  /// Journals, or parts of them, whose events nobody knows; oldest first.
  package var lostEvents: [Manifest.Damage] = []
  /// Why writes are refused, when they are.
  package var failure: StorageError?

  package init() {}

  /// Operational records of the unsealed log, newest first, from `lsn` down.
  func unsealedRecords(through lsn: LSN) -> some Sequence<OperationalRecord> {
    heads.reversed().lazy.flatMap { $0.records.newestFirst(through: lsn) }
  }
}

/// State shared by the writer, readers and maintenance.
package final class Shared: Sendable {
  package let live = Mutex(Live())
  package let series = SeriesCatalog()
  /// What the series checkpoint on disk covers.
  package let checkpoint = Mutex(SeriesCheckpoint.State())
  /// What the registry checkpoint on disk covers.
  package let registryCheckpoint = Mutex(RegistryCheckpoint.State())
  /// The registry as the journal segments give it.
  let sealedRegistry = Mutex(SealedRegistry())
  /// Journal segments that could not be read when they were asked for.
  package let journalDamages = Mutex([Manifest.Damage]())
  package let clock = Mutex(CommitClock())
  /// Merkle roots of the sealed log, oldest first.
  package let chain = Mutex([ChainLink]())
  package let symbols = SymbolTable()
  /// What maintenance goes by.
  package let activity = Mutex(Activity())
  /// Data segments that were replaced and may still be read.
  package let dead = DeadFiles()
  /// Encodes full chunks of the head; nil in a store that is stepped by hand.
  package let encoder = Mutex<(any Wakeable)?>(nil)
  /// Frozen heads whose sealing has not succeeded yet.
  package let rotations = Mutex([CommitRequest.Rotation]())

  package struct Activity: Sendable {
    /// The last batch has no witness yet.
    package var needsWitness = false
    package var segmentByteCount = 0
    /// Commit time of the oldest unsealed batch of this process.
    package var oldestCommitNanos: Int64 = .max
    /// Why the last sealing failed; nil since one succeeded.
    package var sealingFailure: StorageError?
    /// By the monotonic clock.
    package var sealNotBeforeNanos: Int64 = .min
  }

  /// Reads sealed operational records; nil in tests without files.
  let journalReader: JournalReader?

  init(journalReader: JournalReader? = nil) { self.journalReader = journalReader }

  /// The schema of a table or of its quarantine twin.
  package func schema(_ table: TableID) -> TableSchema? {
    live.withLock { $0.registry }.schema(table)
  }

  package func newHead() -> Head {
    Head(symbols: symbols, schema: { [weak self] in self?.schema($0) })
  }
}

extension Registry {
  /// The schema of a table or of its quarantine twin.
  package func schema(_ table: TableID) -> TableSchema? {
    guard var schema = types[table & ~TableID(0).quarantine]?.schema else { return nil }
    schema.id = table
    return schema
  }
}
