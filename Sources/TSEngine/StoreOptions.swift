/// How a store is opened. The defaults suit a server with a fleet of meters.
public struct StoreOptions: Sendable {
  public var isReadOnly = false
  public var createIfMissing = true
  /// Checked sections of data segments kept in memory.
  public var cacheByteLimit = 256 << 20
  /// Indexes of data segments kept in memory.
  public var indexByteLimit = 256 << 20
  /// Data segments whose files are open at a time.
  public var openFileLimit = 256
  /// Bytes of requests that may wait for the writer; then they are refused (`.overloaded`).
  public var queueByteLimit = 64 << 20
  /// Memory for readings that are not sealed yet. At half of it the head is sealed; what comes when
  /// all of it is taken, because sealing is behind or fails, is refused (`.overloaded`).
  public var headByteLimit = 512 << 20
  /// The log is sealed when its segment is larger than this.
  public var tailByteLimit = 256 << 20
  /// The log is sealed when its first unsealed frame is older than this.
  public var sealAgeNanos: Int64 = 3_600_000_000_000
  /// Sealed log segments are kept up to this many bytes, for followers and live resume.
  public var tailKeptByteCount = 1 << 30
  /// Compaction gives blocks older than this the cold form, a fifth smaller and some ten times
  /// slower to decode.
  public var coldAfterNanos: Int64 = 7 * 86_400_000_000_000
  /// How long removed readings stay in the files, for `AS KNOWN AT` and restores to before, until
  /// compaction takes them off for good.
  public var removalGraceNanos: Int64 = 7 * 86_400_000_000_000
  /// Seals and witnesses by itself. Off for tests that step the store by hand.
  package var maintainsItself = true
  /// Compacts by itself, where `maintainsItself` holds as well.
  package var compactsItself = true
  /// Groups under way that one thread gathers before it settles them; over 1 for tests without threads.
  package var lookahead = 1
  /// Limits that decisions on the registry keep.
  package var policy = RegistryPolicy()
  package var compaction = CompactionPlan.Options()
  package var sharing = BlockBuilder.Sharing()
  package var rollups = RollupPlan.Options()
  /// Without a new data segment for so long, what is little is compacted too.
  package var compactionQuietNanos: Int64 = 21_600_000_000_000
  /// Data segments, or journals, without a checkpoint after which one is written; fewer of them when they
  /// are large.
  package var checkpointSegmentLimit = 32
  package var reserveByteCount = ReserveFile.defaultByteCount
  package var intake = Intake.Limits()
  package var log = LogWriter.Options()
  package var disk: any Disk = PosixDisk()
  package var clock: any Clock = SystemClock()
  package var rng: any RNG = SystemRNG()
  package var scheduler: any Scheduler = ThreadScheduler()

  public init() {}
}
