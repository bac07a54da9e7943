import Synchronization

/// Appends batches to the log. Steppable: a layer above gathers what waits into one batch, calls
/// `append` and `sync`, and acknowledges then.
///
/// - `append` is one write, `sync` is one fdatasync. Several appends may share a sync.
/// - One thread owns the writer and calls everything but `sync`, which may come from another thread
///   for batches that were appended before, while the owner appends more.
/// - A sync that fails is final: this writer throws `.failStopped` from then on.
/// - A write that fails takes its batch back (`.diskFull`, `.io`): it must not be acknowledged, and
///   its LSNs are given again under a higher epoch. Batches before it are made durable first. The
///   writer goes on. When the taking back fails, the writer is fail-stopped.
package final class LogWriter {
  package struct Options: Sendable {
    /// The next segment is made beside the writer (`LogSpares`), of about four times the bytes of this one
    /// and at most of this size; when the written blocks of this one end, the log goes on there. A log that
    /// outruns its spares grows batch by batch. 0 turns it off.
    package var preallocatedByteCount = 32 << 20

    package init() {}
  }

  /// Where an appended batch lies. Not durable before `sync` returns.
  package struct Appended: Sendable, Equatable {
    package var position: LogPosition
    package var firstLSN: LSN
    /// The LSN after the batch.
    package var nextLSN: LSN
    package var commitNanos: Int64
    /// Bytes taken in the file, header and padding included.
    package var byteCount: Int
  }

  /// Zeros that a segment without a spare begins with, at most.
  private static let firstZeroByteCount = 64 << 10
  private static let leastSpareByteCount = 1 << 20

  private enum Phase { case open, failStopped, closed }

  /// How far the segment is filled.
  private struct Progress: Sendable {
    var offset: Int
    var nextLSN: LSN
    var chain: UInt32
    var batchCount: UInt64 = 0
    var firstCommitNanos: Int64 = 0
    var lastBatchIsSeal = true
  }

  /// What the thread that syncs shares with the owner.
  private struct State: Sendable {
    /// Behind the last batch that is in the file.
    var written: Progress
    var durable: Progress
    var phase = Phase.open
  }

  private let clock: any Clock
  private let storeID: StoreID
  private let options: Options
  private let segments: LogSegmentFactory
  let spares: LogSpares
  private var file: any DiskFile
  private var header: LogSegmentHeader
  private var place: LogBatchHeader.Place
  private var now: Progress
  private let state: Mutex<State>
  /// Held for a sync: the batches that it covers must stay in the file.
  private let syncing = SerialLane()
  private var epoch: UInt32
  private var lastCommitNanos: Int64
  /// The file holds written blocks up to here.
  private var writtenEnd: Int
  /// Of the segments since the last rotation, but for this one.
  private var leftByteCount = 0
  private var sealBuilder = LogBatchBuilder(reserving: 128)

  /// Starts a new segment, under a new epoch, behind a recovered log, and burns the LSNs of damage
  /// that no gap record names yet. Durable on return.
  ///
  /// - Parameters:
  ///   - scan: of `LogRepair.run`, just before.
  ///   - nextLSN: the LSN to go on with when other files (the manifest) know of later ones than the
  ///     log; lower values have no effect.
  ///   - segment: the highest segment id that other files (the manifest) know of.
  ///   - reserve: given back when the disk is too full for a new segment.
  /// - Throws: `.diskFull`, `.io`.
  package init(
    _ disk: any Disk, clock: any Clock, store: String, storeID: StoreID, after scan: LogScan,
    nextLSN: LSN = 1, above segment: UInt64 = 0, options: Options = Options(), reserve: ReserveFile? = nil
  ) throws(StorageError) {
    guard scan.epoch < .max else { throw StorageError(.invalid, "epochs are used up") }
    self.clock = clock
    self.storeID = storeID
    self.options = options
    let segments = LogSegmentFactory(disk, store: store)
    self.segments = segments
    spares = LogSpares(disk, clock: clock, directory: segments.directory)
    epoch = scan.epoch + (Planted.has(.epochKept) && scan.epoch > 0 ? 0 : 1)
    let header = LogSegmentHeader(
      storeID: storeID, segmentID: max(scan.segments.last?.id ?? 0, segment) + 1, epoch: epoch,
      firstLSN: Planted.has(.lsnReused) ? scan.nextLSN : max(scan.nextLSN, nextLSN), previousCRC: scan.chainCRC)
    self.header = header
    let made: LogSegmentFactory.Made
    let ahead = min(options.preallocatedByteCount, Self.firstZeroByteCount)
    do throws(StorageError) {
      made = try segments.make(header, ahead: ahead)
    } catch {
      guard error.code == .diskFull, let reserve, try reserve.release() else { throw error }
      made = try segments.make(header, ahead: ahead)
    }
    file = made.file
    place = LogBatchHeader.Place(storeID: storeID, segmentID: header.segmentID)
    writtenEnd = made.byteCount
    now = Progress(offset: LogFormat.SegmentHeader.byteCount, nextLSN: header.firstLSN, chain: made.crc)
    state = Mutex(State(written: now, durable: now))
    lastCommitNanos = scan.lastCommitNanos
    try burn(scan.unburned)
  }

  // MARK: State

  package var segmentID: UInt64 { header.segmentID }
  /// Bytes of the segment in use.
  package var segmentByteCount: Int { now.offset }
  /// Bytes in use since the last rotation; what to rotate by.
  package var rotationByteCount: Int { leftByteCount + now.offset }
  /// The LSN the next batch starts with.
  package var nextLSN: LSN { now.nextLSN }
  private var durable: Progress { state.withLock { $0.durable } }
  private var phase: Phase { state.withLock { $0.phase } }
  /// The last durable LSN; 0 when there is none.
  package var durableLSN: LSN { durable.nextLSN - 1 }
  /// Batches wait for a `sync`.
  package var hasUnsynced: Bool { now.offset != durable.offset }
  package var isFailStopped: Bool { phase == .failStopped }
  /// A last batch has no witness yet: call `writeIdleSeal` within 50 ms of it if nothing else is
  /// appended.
  package var needsIdleSeal: Bool { phase == .open && !now.lastBatchIsSeal }

  // MARK: Append and sync

  /// Writes the batch behind the last. Its payload is complete; the buffer is only completed by
  /// header and padding and may be reused with `removeAll`.
  ///
  /// - Throws: `.invalid` for a batch that is empty or over 16 MiB, without effect; else see above.
  package func append(_ batch: inout LogBatchBuilder) throws(StorageError) -> Appended {
    try append(&batch, isSeal: false)
  }

  private func append(
    _ batch: inout LogBatchBuilder, isSeal: Bool
  ) throws(StorageError) -> Appended {
    try requireOpen()
    let payloadByteCount = batch.payloadByteCount
    guard !batch.isEmpty, payloadByteCount <= LogFormat.maximumPayloadByteCount else {
      throw StorageError(.invalid, "batch of \(payloadByteCount) bytes", file: file.path)
    }
    if !isSeal {
      try rollWhenOutgrown(LogFormat.sectorCeiling(LogFormat.BatchHeader.byteCount + payloadByteCount))
    }
    let commitNanos = max(clock.nowNanos(), lastCommitNanos)
    let durable = durable
    let header = LogBatchHeader(
      payloadByteCount: payloadByteCount, payloadCRC: batch.payloadCRC, firstLSN: now.nextLSN,
      lsnCount: UInt32(batch.lsnCount), previousCRC: now.chain, durableLSN: durable.nextLSN - 1,
      commitNanos: commitNanos, epoch: epoch,
      durableSectors: UInt32(durable.offset / LogFormat.sectorByteCount),
      segmentID: self.header.segmentID)
    let crc = batch.seal(header, place: place, offset: now.offset)
    defer { batch.unseal(payloadByteCount: payloadByteCount) }
    let end = now.offset + batch.buffer.count
    do throws(StorageError) {
      try file.write(batch.buffer.bytes.rawSpan, at: now.offset)
    } catch {
      try takeBack()
      throw error
    }
    let position = LogPosition(segmentID: header.segmentID, offset: now.offset)
    now.offset = end
    writtenEnd = max(writtenEnd, end)
    now.nextLSN = header.nextLSN
    now.chain = crc
    if now.batchCount == 0 { now.firstCommitNanos = commitNanos }
    now.batchCount += 1
    now.lastBatchIsSeal = isSeal
    state.withLock { [now] in $0.written = now }
    lastCommitNanos = commitNanos
    return Appended(
      position: position, firstLSN: header.firstLSN, nextLSN: header.nextLSN,
      commitNanos: commitNanos, byteCount: batch.buffer.count)
  }

  /// Makes every batch appended so far durable; only then may it be acknowledged. From any thread, one at
  /// a time: the owner may append meanwhile, but not begin another segment or close.
  package func sync() throws(StorageError) {
    try syncing.run { () throws(StorageError) in try syncWritten() }
  }

  /// - Precondition: `syncing` is held; whoever had it before may have failed.
  private func syncWritten() throws(StorageError) {
    try requireOpen()
    let (written, durable) = state.withLock { ($0.written, $0.durable) }
    if written.offset == durable.offset { return }
    try failStopping { () throws(StorageError) in try file.sync() }
    state.withLock { $0.durable = written }
  }

  /// Goes on with a later LSN: the ones between were taken outside the log (bulk append), at
  /// `commitNanos`, and are named by the manifest. Precondition: nothing waits for a sync.
  package func skip(to lsn: LSN, commitNanos: Int64) {
    precondition(!hasUnsynced && lsn >= now.nextLSN, "LSNs are taken in order")
    lastCommitNanos = max(lastCommitNanos, commitNanos)
    now.nextLSN = lsn
    settle()
  }

  /// Writes a witness behind the last batch, durably: should that batch be bad one day, it will be
  /// known as damaged, not taken for torn. Does nothing behind a seal.
  package func writeIdleSeal() throws(StorageError) {
    try requireOpen()
    if hasUnsynced { try sync() }
    if needsIdleSeal { try seal(.idle) }
  }

  // MARK: Segments

  /// Completes the segment and starts the next. Durable on return. After `.diskFull` and `.io` the
  /// writer goes on in the old segment.
  package func rotate() throws(StorageError) {
    try requireOpen()
    try sync()
    try seal(.rotate)
    let id = header.segmentID + 1
    if let spare = try spares.takeOrGiveUp(id), try begin(spare) {
      leftByteCount = 0
      return
    }
    let next = nextHeader()
    do throws(StorageError) {
      try begin(next, try segments.make(next, ahead: min(options.preallocatedByteCount, Self.firstZeroByteCount)))
    } catch {
      // Past the rename the new segment may exist: two tails would be one too many.
      if error.code == .failStopped { failStop() }
      throw error
    }
    leftByteCount = 0
  }

  /// Goes on in the spare segment where a batch of `byteCount` would need new blocks here; asks for one in
  /// good time.
  private func rollWhenOutgrown(_ byteCount: Int) throws(StorageError) {
    guard options.preallocatedByteCount > 0 else { return }
    let (end, id) = (now.offset + byteCount, header.segmentID + 1)
    if end > writtenEnd, now.batchCount > 0, let spare = spares.take(id) {
      do throws(StorageError) {
        try sync()
        try seal(.rotate)
      } catch {
        spares.putBack(spare)
        throw error
      }
      let left = now.offset
      if try begin(spare) { leftByteCount += left }
    } else if 2 * end > writtenEnd {
      let wanted = min(options.preallocatedByteCount, max(Self.leastSpareByteCount, 4 * end))
      spares.request(
        LogSpares.Spare(segmentID: id, byteCount: LogFormat.SegmentHeader.byteCount + wanted))
    }
  }

  /// Begins the segment that was made for it. Durable on return.
  /// - Returns: false when it could not be written and is gone: the writer stays where it is.
  private func begin(_ spare: LogSpares.Spare) throws(StorageError) -> Bool {
    let next = nextHeader()
    let made: LogSegmentFactory.Made?
    do throws(StorageError) {
      made = try segments.begin(spare.byteCount, next)
    } catch {
      failStop()
      throw error
    }
    guard let made else { return false }
    try begin(next, made)
    return true
  }

  private func nextHeader() -> LogSegmentHeader {
    LogSegmentHeader(
      storeID: storeID, segmentID: header.segmentID + 1, epoch: epoch, firstLSN: now.nextLSN,
      previousCRC: now.chain)
  }

  /// - Precondition: all of `now` is durable.
  private func begin(_ next: LogSegmentHeader, _ made: LogSegmentFactory.Made) throws(StorageError) {
    if writtenEnd > now.offset { spares.trim(file.path, to: now.offset) }
    try syncing.run { () throws(StorageError) in
      file.close()
      file = made.file
      header = next
      place = LogBatchHeader.Place(storeID: storeID, segmentID: next.segmentID)
      writtenEnd = made.byteCount
      now = Progress(
        offset: LogFormat.SegmentHeader.byteCount, nextLSN: next.firstLSN, chain: made.crc)
      settle()
    }
  }

  /// All of `now` is durable.
  private func settle() {
    state.withLock { [now] state in (state.written, state.durable) = (now, now) }
  }

  /// Syncs, seals when `isClean`, and closes. Idempotent. The file is closed whatever is thrown.
  package func close(isClean: Bool = true) throws(StorageError) {
    guard phase == .open else {
      if phase == .failStopped { file.close() }
      state.withLock { $0.phase = .closed }
      return
    }
    defer {
      file.close()
      state.withLock { $0.phase = .closed }
    }
    guard isClean else { return }
    try sync()
    try seal(.close)
    // What stays behind is no segment and goes at the next opening.
    try? spares.close()
    guard writtenEnd > now.offset else { return }
    try failStopping { () throws(StorageError) in
      try file.truncate(to: now.offset)
      try file.sync()
    }
    writtenEnd = now.offset
  }

  private func seal(_ reason: LogSeal.Reason) throws(StorageError) {
    let seal = LogSeal(
      reason: reason, batchCount: now.batchCount, firstLSN: header.firstLSN,
      nextLSN: now.nextLSN, firstCommitNanos: now.firstCommitNanos,
      lastCommitNanos: now.batchCount == 0 ? 0 : lastCommitNanos)
    sealBuilder.removeAll()
    sealBuilder.add(.seal) { seal.encode(into: &$0) }
    _ = try append(&sealBuilder, isSeal: true)
    try sync()
  }

  private func burn(_ lsns: [ClosedRange<LSN>]) throws(StorageError) {
    guard !lsns.isEmpty else { return }
    var batch = LogBatchBuilder(reserving: 32 * lsns.count)
    for range in lsns { batch.add(.gap) { LogGap(range).encode(into: &$0) } }
    _ = try append(&batch)
    try sync()
  }

  // MARK: Failures

  /// What a failed write left behind the last batch goes; the batches before it may be waiting for
  /// their sync, and get it.
  private func takeBack() throws(StorageError) {
    try syncing.run { () throws(StorageError) in
      try syncWritten()
      try failStopping { () throws(StorageError) in
        guard epoch < .max else { throw StorageError(.invalid, "epochs are used up") }
        if Planted.has(.failedWriteKept) { return }
        try file.truncate(to: now.offset)
        // Durably, so that no bytes of the batch taken back can come up behind later ones.
        try file.sync()
      }
    }
    epoch += 1
    writtenEnd = now.offset
  }

  private func failStopping(
    _ body: () throws(StorageError) -> Void
  ) throws(StorageError) {
    do throws(StorageError) {
      try body()
    } catch {
      if !Planted.has(.failStopForgotten) { failStop() }
      throw error
    }
  }

  private func failStop() { state.withLock { $0.phase = .failStopped } }

  private func requireOpen() throws(StorageError) {
    switch phase {
    case .open: return
    case .failStopped:
      throw StorageError(.failStopped, "an earlier sync failed", file: file.path)
    case .closed: throw StorageError(.closed, "the log is closed", file: file.path)
    }
  }
}
