/// The checkpoints of series and registry: when they are written, and their steps.
extension Store {
  /// Indexes or journals that an opening may have to read: fewer of them are not worth a checkpoint.
  private struct Due {
    var segmentCount: Int
    var byteCount: Int
    /// What is written must be worth it beside the checkpoint there is.
    var shareOfCheckpoint: Int

    static let running = Due(segmentCount: 32, byteCount: 4 << 20, shareOfCheckpoint: 2)
    static let closing = Due(segmentCount: 8, byteCount: 256 << 10, shareOfCheckpoint: 8)

    func holds(_ byteCount: Int, beside checkpointByteCount: Int) -> Bool {
      byteCount >= max(self.byteCount, checkpointByteCount / shareOfCheckpoint)
    }
  }

  /// One step of a checkpoint under way, or the beginning of one that is due.
  /// - Returns: whether there is more to do at once.
  /// - Throws: `.io`, `.diskFull`, `.corrupt`: it is given up; the next change of segments may make
  ///   another due.
  package func checkpointStep() throws(StorageError) -> Bool {
    if try seriesStep(.running) { return true }
    return try registryStep(.running)
  }

  /// Writes checkpoints to their end where they are worth it for the next opening.
  func checkpointBeforeClosing() {
    shared.checkpoint.withLock { $0.judged = SeriesCheckpoint.State.Segments() }
    shared.registryCheckpoint.withLock { $0.judgedLSN = 0 }
    // Derived: where one fails, the next opening reads what it would have held.
    do throws(StorageError) { while try seriesStep(.closing) {} } catch {}
    // One that was under way does not speak of what was sealed since.
    do throws(StorageError) { for _ in 0..<2 { while try registryStep(.closing) {} } } catch {}
  }

  /// Why the registry checkpoint was left aside at the opening: the journals were read instead.
  package var checkpointFailure: StorageError? { shared.registryCheckpoint.withLock { $0.failure } }

  private func seriesStep(_ due: Due) throws(StorageError) -> Bool {
    guard let writing, failure == nil else { return false }
    return try writing.checkpointLane.run { () throws(StorageError) in
      var job = writing.checkpoint.withLock { $0.take() }
      if job == nil { job = try nextCheckpoint(due) }
      guard var job else { return false }
      guard try job.step() else {
        writing.checkpoint.withLock { [job] in $0 = job }
        return true
      }
      let (covered, byteCount) = (Set(job.covered.map(\.id)), job.byteCount)
      shared.checkpoint.withLock { state in
        state.covered = covered
        state.byteCount = byteCount
      }
      return false
    }
  }

  private func nextCheckpoint(_ due: Due) throws(StorageError) -> SeriesCheckpointJob? {
    let now = shared.live.withLock { live in
      SeriesCheckpoint.State.Segments(count: live.segments.count, nextID: live.manifest.nextFileID)
    }
    let state = shared.checkpoint.withLock { state in
      defer { state.judged = now }
      return state
    }
    guard state.judged != now else { return nil }
    let segments = shared.live.withLock { $0.segments }.filter { !$0.isDamaged }
    let open = segments.filter { !state.covered.contains($0.id) }
    guard !open.isEmpty else { return nil }
    if open.count < min(due.segmentCount, options.checkpointSegmentLimit) {
      var indexByteCount = 0
      for segment in open { indexByteCount += try segment.indexByteCount() }
      guard due.holds(indexByteCount, beside: state.byteCount) else { return nil }
    }
    return try SeriesCheckpointJob(
      segments.map(\.meta), options.disk, directory: directory, storeID: storeID, series: shared.series)
  }

  private func registryStep(_ due: Due) throws(StorageError) -> Bool {
    guard let writing, failure == nil else { return false }
    return try writing.checkpointLane.run { () throws(StorageError) in
      var job = writing.registryCheckpoint.withLock { $0.take() }
      if job == nil { job = try nextRegistryCheckpoint(due) }
      guard var job else { return false }
      guard try job.step() else {
        writing.registryCheckpoint.withLock { [job] in $0 = job }
        return true
      }
      let (lsn, byteCount) = (job.journals.lsn, job.byteCount)
      shared.registryCheckpoint.withLock { state in
        state.lsn = lsn
        state.byteCount = byteCount
        state.failure = nil
      }
      return false
    }
  }

  private func nextRegistryCheckpoint(_ due: Due) throws(StorageError) -> RegistryCheckpointJob? {
    let sealed = shared.sealedRegistry.withLock { $0 }
    let state = shared.registryCheckpoint.withLock { state in
      defer { state.judgedLSN = sealed.lsn }
      return state
    }
    // What a damaged journal says must not be settled by a file that lacks it.
    guard state.judgedLSN != sealed.lsn, sealed.lsn > state.lsn, areJournalsUndamaged else { return nil }
    let journals = shared.live.withLock { $0.manifest }.registryJournals(through: sealed.lsn)
    let open = journals.filter { $0.newestLSN > state.lsn }
    guard !open.isEmpty else { return nil }
    let isDue =
      state.failure != nil || open.count >= min(due.segmentCount, options.checkpointSegmentLimit)
      || due.holds(open.reduce(0) { $0 + $1.byteCount }, beside: state.byteCount)
    guard isDue, let newest = journals.last, let reader = shared.journalReader else { return nil }
    // From then on an opening reads them no more: what rotted since they were sealed must show now.
    for journal in open where try !isWhole(journal, reader) { return nil }
    guard let crc = try reader.fingerprint(of: newest)
    else { return nil }
    return try RegistryCheckpointJob(
      sealed, journals, newestCRC: crc, clock: { [shared] lsns, limit in
        shared.clock.withLock { $0.slice(lsns, limit: limit) }
      }, chain: shared.chain.withLock { $0 }, options.disk, directory: directory, storeID: storeID)
  }

  /// Whether all of a journal passes its checks; where it does not, the store's damages tell of it from then on,
  /// and it is not read again for this.
  /// - Throws: `.io`.
  private func isWhole(
    _ journal: Manifest.JournalSegment, _ reader: JournalReader
  ) throws(StorageError) -> Bool {
    let name = FileNames.journalSegment(journal.id)
    if shared.journalDamages.withLock({ damages in damages.contains { $0.file == name } }) { return false }
    var content = JournalSegment.Content()
    do throws(StorageError) {
      content = try reader.read(journal)
    } catch {
      guard error.isDamage else { throw error }
      content.lose(0..<journal.byteCount)
    }
    for damaged in content.damaged { shared.note(Manifest.Damage(damaged, of: journal)) }
    return content.damaged.isEmpty
  }
}
