import Glibc
import Synchronization

/// A time-series store in one folder. Append-only: readings and events are durable when a call
/// returns, and nothing that was durable is ever changed.
///
/// Thread-safe. One process may have a store open for writing; any number may read beside it.
public final class Store: Sendable {
  /// Of the engine alone: other rooms see a store through its snapshots and the calls below.
  let shared: Shared
  package let options: StoreOptions
  package let directory: String
  package let storeID: StoreID
  let segments: SegmentContext
  /// Nil for a reader.
  let writing: Writing?
  private let openDamages: [Manifest.Damage]
  /// Bytes of a torn tail that the opening cut off (and kept beside the log).
  package let tornByteCount: Int

  /// What a writing store has and a reading one has not.
  final class Writing: Sendable {
    let queue: CommitQueue
    let writer: CommitWriter
    let lane = SerialLane()
    let nextFileID: Mutex<UInt64>
    let lock: any DiskFile
    let maintenance = Mutex<(any Wakeable)?>(nil)
    /// Commits what was submitted without waiting; apart from maintenance, whose sealing takes long.
    let committer = Mutex<(any Wakeable)?>(nil)
    let compactor = Mutex<(any Wakeable)?>(nil)
    /// Makes the next segments of log and manifest.
    let preparer = Mutex<(any Wakeable)?>(nil)
    /// Writes checkpoints: the first step of a large registry takes longer than the witness of a batch may wait.
    let checkpointer = Mutex<(any Wakeable)?>(nil)
    let isClosed = Mutex(false)
    /// Held for a step of compaction; sealing does not wait for it.
    let compactionLane = SerialLane()
    let compaction = Mutex(Compaction())
    /// Held for a step of a checkpoint.
    let checkpointLane = SerialLane()
    let checkpoint = Mutex<SeriesCheckpointJob?>(nil)
    let registryCheckpoint = Mutex<RegistryCheckpointJob?>(nil)
    /// When (monotonic) retention is looked at again.
    let nextRetentionNanos = Mutex<Int64>(.min)
    let rollups = Mutex(RollupWork())

    /// Both clocks when the store was opened.
    let opened: (wall: Int64, monotonic: Int64)

    init(
      queue: CommitQueue, writer: CommitWriter, nextFileID: UInt64, lock: any DiskFile, clock: any Clock
    ) {
      opened = (clock.nowNanos(), clock.monotonicNanos())
      self.queue = queue
      self.writer = writer
      self.nextFileID = Mutex(nextFileID)
      self.lock = lock
    }

    /// Commits on this thread until `isAnswered`; what waits then is the committer's. Without one
    /// (a store stepped by hand) whoever submits commits all.
    func commit(until isAnswered: () -> Bool) {
      guard let committer = committer.withLock({ $0 }) else { return writer.drive() }
      writer.drive(until: isAnswered, pass: committer.wake)
      if !queue.isEmpty { committer.wake() }
    }

  }

  /// Opens a store, making it when there is none (unless the options say otherwise), and recovers
  /// it after whatever ended its last use.
  /// - Throws: `.busy` when another process writes to it, `.notFound`, `.corrupt` when STORE or the
  ///   manifest is damaged, `.unsupportedVersion`, `.io`, `.diskFull`. Other damage does not stop
  ///   the opening; it is set aside and listed in `damages`.
  /// - Complexity: O(series + devices + files of index and journal younger than their checkpoints
  ///   + bytes of the unsealed log).
  public static func open(
    _ directory: String, _ options: StoreOptions = StoreOptions()
  ) throws(StorageError) -> Store {
    options.isReadOnly ? try openReading(directory, options) : try openWriting(directory, options)
  }

  private init(
    directory: String, options: StoreOptions, storeID: StoreID, shared: Shared,
    segments: SegmentContext, writing: Writing?, outcome: Recovery.Outcome
  ) {
    self.directory = directory
    self.options = options
    self.storeID = storeID
    self.shared = shared
    self.segments = segments
    self.writing = writing
    openDamages = outcome.damages
    tornByteCount = outcome.tornByteCount
  }

  /// How often a reader begins anew because files changed; then what is missing is damage.
  private static let readAttempts = 100

  private static func openReading(
    _ directory: String, _ options: StoreOptions
  ) throws(StorageError) -> Store {
    let disk = options.disk
    let file = try StoreFile.open(
      disk, directory: directory, creating: false, clock: options.clock, rng: options.rng)
    // A writer seals meanwhile, and removes the log that was sealed: then all is read anew.
    var attempt = 0
    while true {
      attempt += 1
      let isLast = attempt > readAttempts
      let shared = Shared(
        journalReader: JournalReader(disk: disk, directory: directory, storeID: file.id))
      var segments = SegmentContext(
        disk: disk, store: directory, storeID: file.id, symbols: shared.symbols, options: options,
        catalog: shared.series)
      do throws(StorageError) {
        let pinned = try pinManifest(directory, file.id, options)
        segments.pin = pinned.pin
        let outcome = try Recovery(
          disk: disk, clock: options.clock, directory: directory, storeID: file.id, shared: shared,
          context: segments, scheduler: options.scheduler
        ).read(pinned.manifest, toleratesMissing: isLast)
        shared.recallPresence()
        return Store(
          directory: directory, options: options, storeID: file.id, shared: shared,
          segments: segments, writing: nil, outcome: outcome)
      } catch {
        // A rotation cuts off the zeros written ahead while they are being read.
        guard error.code == .notFound || error.code == .truncated, !isLast else { throw error }
      }
    }
  }

  /// A state of the manifest whose files stay as long as the pin. Where none can be made (a store
  /// that this user or file system may not change, a full disk) a reader goes on without, and meets
  /// `.notFound` when compaction takes a file from under it.
  static func pinManifest(
    _ directory: String, _ storeID: StoreID, _ options: StoreOptions
  ) throws(StorageError) -> (manifest: Manifest, pin: Pin?) {
    var read = try Recovery.readManifest(options.disk, directory, storeID)
    for _ in 0..<readAttempts {
      let pin: Pin
      do throws(StorageError) {
        pin = try Pin(options.disk, store: directory, lsn: read.newestLSN, rng: options.rng)
      } catch {
        // A writer that opens just now took the unfinished file for a dead one.
        if error.code == .busy || error.code == .notFound { continue }
        guard error.code == .diskFull || [EROFS, EACCES, EPERM].contains(error.errno) else { throw error }
        return (read.state, nil)
      }
      // Unchanged behind the pin: whoever removes a file from now on has seen it.
      let again = try Recovery.readManifest(options.disk, directory, storeID)
      if again.newestLSN == read.newestLSN { return (again.state, pin) }
      read = again
    }
    throw StorageError(.notFound, "the live files keep changing", file: directory)
  }

  private static func openWriting(
    _ directory: String, _ options: StoreOptions
  ) throws(StorageError) -> Store {
    let disk = options.disk
    if options.createIfMissing { try createDirectory(directory, disk) }
    guard disk.exists(directory) else {
      throw StorageError(.notFound, "no store", file: directory)
    }
    let lock = try disk.lock(FileNames.path(directory, FileNames.lock))
    do throws(StorageError) {
      let file = try StoreFile.open(
        disk, directory: directory, creating: options.createIfMissing, clock: options.clock,
        rng: options.rng)
      let reserve = ReserveFile(disk, directory: directory, byteCount: options.reserveByteCount)
      let shared = Shared(
        journalReader: JournalReader(disk: disk, directory: directory, storeID: file.id))
      let segments = SegmentContext(
        disk: disk, store: directory, storeID: file.id, symbols: shared.symbols, options: options,
        catalog: shared.series)
      let manifest = try withRoom(from: reserve) { () throws(StorageError) in
        try ManifestLog(disk, clock: options.clock, store: directory, storeID: file.id, log: options.log)
      }
      var outcome = try Recovery(
        disk: disk, clock: options.clock, directory: directory, storeID: file.id, shared: shared,
        context: segments, scheduler: options.scheduler
      ).repair(manifest.state, manifestLSN: manifest.newestLSN)
      outcome.damages += manifest.damages
      shared.recallPresence()
      // The log with the damage goes one day; what was lost is remembered.
      let unknown = outcome.logDamages.filter { damage in
        damage.firstLSN > 0
          && !manifest.state.damages.contains {
            $0.file == damage.file && $0.offset == damage.offset
          }
      }
      try withRoom(from: reserve) { () throws(StorageError) in
        try manifest.commit(unknown.map { .damaged($0) })
        try dropDistrusted(manifest, shared, lostReadings: !unknown.isEmpty)
      }
      let log = try LogWriter(
        disk, clock: options.clock, store: directory, storeID: file.id, after: outcome.scan,
        nextLSN: manifest.state.newestLSN + 1, above: manifest.state.sealedLogSegment,
        options: options.log, reserve: reserve)
      try reserve.ensure()
      let queue = CommitQueue(byteLimit: options.queueByteLimit)
      let writer = CommitWriter(
        queue: queue, shared: shared, clock: options.clock, rng: options.rng, log: log,
        manifest: manifest, limits: options.intake, headByteLimit: options.headByteLimit,
        lookahead: options.lookahead)
      let store = Store(
        directory: directory, options: options, storeID: file.id, shared: shared,
        segments: segments,
        writing: Writing(
          queue: queue, writer: writer,
          nextFileID: try max(manifest.state.nextFileID, unusedFileID(disk, directory)), lock: lock,
          clock: options.clock),
        outcome: outcome)
      try store.startMaintenance()
      return store
    } catch {
      lock.close()
      throw error
    }
  }

  /// An id above those of all data segments that are still there: a reader may have pinned one that
  /// the manifest names no more.
  private static func unusedFileID(
    _ disk: any Disk, _ directory: String
  ) throws(StorageError) -> UInt64 {
    var names = try disk.list(FileNames.path(directory, FileNames.dataDirectory))
    let rollups = FileNames.path(directory, FileNames.rollupDirectory)
    if disk.exists(rollups) { names += try disk.list(rollups) }
    return (names.compactMap(FileNames.dataSegmentID).max() ?? 0) + 1
  }

  /// Makes the folder, durably: what will be acknowledged lies in it.
  private static func createDirectory(
    _ directory: String, _ disk: any Disk
  ) throws(StorageError) {
    if disk.exists(FileNames.path(directory, FileNames.store)) { return }
    var made = [directory]
    while let parent = FileNames.parent(made[made.count - 1]), !disk.exists(parent) {
      made.append(parent)
    }
    try disk.createDirectory(directory)
    for path in made.reversed() { try disk.syncDirectory(FileNames.parent(path) ?? "") }
  }

  /// Runs `body`, again with the reserve given back when the disk is too full for it.
  private static func withRoom<Value>(
    from reserve: ReserveFile, _ body: () throws(StorageError) -> Value
  ) throws(StorageError) -> Value {
    do throws(StorageError) {
      return try body()
    } catch {
      guard error.code == .diskFull, try reserve.release() else { throw error }
      return try body()
    }
  }

  // MARK: Reading

  /// The store as it is now. O(1).
  public func snapshot() -> Snapshot {
    Snapshot(live: shared.live.withLock { $0 }, shared: shared)
  }

  /// Devices, users, types and tokens as every durable event left them; with more beside it, take a
  /// `snapshot`. O(1).
  package var registry: Registry { shared.live.withLock { $0.registry } }
  /// As `registry`, where nothing of it is lost: what people are told and decide by.
  /// - Throws: `.corrupt`, naming the journal and its LSNs.
  package func wholeRegistry() throws(StorageError) -> Registry {
    let (registry, lost) = shared.live.withLock { ($0.registry, $0.lostEvents.last) }
    if let lost { throw lost.error("what they say of devices, users and tables") }
    return registry
  }
  /// The registry's tokens alone, for what is asked at every request.
  package var tokens: Tokens { shared.live.withLock { $0.registry.tokens } }
  /// The newest event that the registry holds: it has not changed while this has not.
  package var lastEventLSN: LSN { shared.live.withLock { $0.registry.lastEventLSN } }

  public var durableLSN: LSN { shared.live.withLock { $0.durableLSN } }
  public var symbols: SymbolTable { shared.symbols }

  /// Bytes that failed their check, as far as the store has met them.
  package var damages: [Manifest.Damage] {
    let live = shared.live.withLock { $0.segments }
    var all = openDamages
    let journals = shared.journalDamages.withLock { $0 }
    for damage in live.filter(\.isDamaged).map(\.loss) + compactionDamages + journals
    where !all.contains(damage) { all.append(damage) }
    return all
  }

  /// False while events that are kept in a journal alone cannot be read: what they say of readings (deleted,
  /// superseded) may come back with a repaired file, so nothing is rewritten meanwhile.
  var isJournalWhole: Bool { shared.live.withLock { $0.lostEvents.isEmpty } }

  /// False while a journal was found damaged or missing at the opening: no checkpoint is to stand for it. What a
  /// salvage left behind is no part of this store.
  var areJournalsUndamaged: Bool {
    let leftBehind = shared.live.withLock { $0.manifest.leftBehind }
    return !openDamages.contains { FileNames.journalSegmentID($0.file) != nil && !leftBehind.contains($0) }
  }

  /// Why writes are refused, when they are.
  package var failure: StorageError? { shared.live.withLock { $0.failure } }

  // MARK: Writing

  /// Stores a batch. Returns after fdatasync: everything the answer counts as new, conflict or
  /// quarantined is durable, and what it counts as same was durable before.
  ///
  /// - Parameter creator: who makes devices that are not there yet; nil refuses them.
  /// - Throws: `.invalid` (nothing was stored), `.diskFull`, `.overloaded`, `.failStopped`,
  ///   `.closed`, `.io`.
  package func append(
    _ batch: FrameBatch, creator: Actor? = nil, messages: [ReceivedMessage] = []
  ) throws(StorageError) -> AppendResult {
    let request = try prepared(.init(batch, creator: creator, messages: messages))
    return try wait { .append(request, $0) }
  }

  /// As above, without waiting: `done` is called once, on a thread of the store's, when the batch
  /// is durable or refused. A thread of the store's own drives the writer.
  package func append(
    _ request: CommitRequest.AppendRequest,
    done: @escaping @Sendable (Result<AppendResult, StorageError>) -> Void
  ) throws(StorageError) {
    try submit(.append(prepared(request), done))
  }

  /// As `append`, for many frames at once of which the sender of each is to be told by itself: stored if the store
  /// has none of their rows, and none is held back or expired. Durable on return.
  /// - Returns: nil when some row is not so; nothing is stored then, and `append(each:)` tells which.
  /// - Throws: as `append`; nothing is stored then.
  package func appendNew(_ request: CommitRequest.AppendRequest) throws(StorageError) -> AppendResult? {
    try AppendCheck.checkTimes(of: request.batch)
    var request = request
    request.onlyNew = true
    let asked = request
    do throws(StorageError) {
      return try wait { .append(asked, $0) }
    } catch {
      if error == Intake.notAllNew { return nil }
      throw error
    }
  }

  /// Looks up what the store may have of a request already, on the caller's thread.
  private func prepared(
    _ request: CommitRequest.AppendRequest
  ) throws(StorageError) -> CommitRequest.AppendRequest {
    try AppendCheck.checkTimes(of: request.batch)
    var request = request
    request.known = try KnownRows(request.batch, shared)
    return request
  }

  /// Stores each request by itself, all in as few commits as they fit; returns when all are
  /// answered, in their order. One that is refused does not touch the others.
  package func append(
    each requests: [CommitRequest.AppendRequest]
  ) -> [Result<AppendResult, StorageError>] {
    guard let writing else {
      let closed = StorageError(.closed, "the store is open for reading")
      return requests.map { _ in .failure(closed) }
    }
    let latches = requests.map { request in
      let latch = Latch<Result<AppendResult, StorageError>>()
      do throws(StorageError) {
        try writing.queue.submit(.append(prepared(request)) { latch.fulfil($0) })
      } catch {
        latch.fulfil(.failure(error))
      }
      return latch
    }
    writing.commit { latches.allSatisfy { $0.current != nil } }
    return latches.map { $0.wait() }
  }

  /// Takes a decision on the registry in the writer's turn, so that of two racing ones each sees
  /// the other's outcome, and records its events. Durable on return.
  /// - Parameter aroundDamage: taken by what is left, too, where events of the registry are lost: for what must not stop.
  /// - Returns: what the decision answered, and the newest LSN.
  /// - Throws: as `append`; `.corrupt` as `wholeRegistry`.
  package func decide<Value: Sendable>(
    actor: Actor, cause: Cause = Cause(), aroundDamage: Bool = false,
    _ decision: @escaping @Sendable (Registry, DecisionContext) -> Decision<Value>
  ) throws(StorageError) -> (result: Result<Value, Refusal>, lsn: LSN) {
    if !aroundDamage { _ = try wholeRegistry() }
    let context = DecisionContext(
      now: options.clock.nowNanos(), actor: actor, cause: cause, policy: options.policy, random: options.rng)
    let answer = Latch<Result<Value, Refusal>>()
    let lsn: LSN = try wait { done in
      .decide(
        { registry in
          let taken = decision(registry, context)
          answer.fulfil(taken.result)
          return taken.events
        }, done)
    }
    return (answer.wait(), lsn)
  }

  /// Records operational records. Durable on return.
  /// - Returns: the LSN of the last of them; those before it have the LSNs before it.
  package func record(_ records: [OperationalRecord]) throws(StorageError) -> LSN {
    try wait { .record(records, $0) }
  }

  /// A loader for large amounts of readings of `table`.
  package func bulkWriter(_ table: TableID, creator: Actor) throws(StorageError) -> BulkWriter {
    guard writing != nil else { throw StorageError(.closed, "the store is open for reading") }
    guard let schema = shared.schema(table) else { throw StorageError(.invalid, "unknown table") }
    return BulkWriter(self, schema: schema, creator: creator)
  }

  /// Leaves a request to the committer, or to the next step of a store stepped by hand.
  func submit(_ request: CommitRequest) throws(StorageError) {
    guard let writing else { throw StorageError(.closed, "the store is open for reading") }
    try writing.queue.submit(request)
    writing.committer.withLock { $0 }?.wake()
  }

  /// Submits the request that `make` makes of a completion, and waits for its answer.
  func wait<Value: Sendable>(
    _ make: (@escaping @Sendable (Result<Value, StorageError>) -> Void) -> CommitRequest
  ) throws(StorageError) -> Value {
    guard let writing else { throw StorageError(.closed, "the store is open for reading") }
    let latch = Latch<Result<Value, StorageError>>()
    try writing.queue.submit(make { latch.fulfil($0) })
    writing.commit { latch.current != nil }
    return try latch.wait().get()
  }
}
