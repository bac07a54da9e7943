/// The series checkpoint: when it is written, and its steps.
extension Store {
  /// Indexes that an opening may have to read: fewer of them are not worth a checkpoint.
  private struct Due {
    var segmentCount: Int
    var indexByteCount: Int
    /// What is written must be worth it beside the checkpoint there is.
    var shareOfCheckpoint: Int

    static let running = Due(segmentCount: 32, indexByteCount: 4 << 20, shareOfCheckpoint: 2)
    static let closing = Due(segmentCount: 8, indexByteCount: 256 << 10, shareOfCheckpoint: 8)
  }

  /// One step of the checkpoint under way, or the beginning of one that is due.
  /// - Returns: whether there is more to do at once.
  /// - Throws: `.io`, `.diskFull`, `.corrupt`: it is given up; the next change of segments may make
  ///   another due.
  package func checkpointStep() throws(StorageError) -> Bool { try checkpointStep(.running) }

  /// Writes a checkpoint to its end where one is worth it for the next opening.
  func checkpointBeforeClosing() throws(StorageError) {
    shared.checkpoint.withLock { $0.judged = SeriesCheckpoint.State.Segments() }
    while try checkpointStep(.closing) {}
  }

  private func checkpointStep(_ due: Due) throws(StorageError) -> Bool {
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
      guard indexByteCount >= max(due.indexByteCount, state.byteCount / due.shareOfCheckpoint) else { return nil }
    }
    return try SeriesCheckpointJob(
      segments.map(\.meta), options.disk, directory: directory, storeID: storeID, series: shared.series)
  }
}
