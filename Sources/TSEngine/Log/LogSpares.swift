import Synchronization

/// Makes the next segment of a log beside its writer: a file of zeros under the segment's own name. A sync of what
/// is written over blocks that are there changes nothing of the file system's own, so it waits neither for
/// the file system's journal nor for the other files that the journal carries along (PostgreSQL keeps its
/// WAL segments for the same reason).
///
/// The writer asks for a segment and takes it when it is ready; whoever steps makes it, a piece at a
/// time. Zeros that segments which were left did not use are cut off when nobody reads them. Nothing acknowledged depends on any of it:
/// what fails is given up and tried again later.
final class LogSpares: Sendable {
  struct Spare: Sendable, Equatable {
    var segmentID: UInt64
    /// Header included.
    var byteCount: Int
  }

  private struct State: Sendable {
    var wanted: Spare?
    var ready: Spare?
    /// What is wanted, as far as it is written. Of `lane`.
    var making: Making?
    /// Segments that were left, and the bytes they use.
    var untrimmed: [(path: String, byteCount: Int)] = []
    /// No new try before; by the monotonic clock.
    var notBeforeNanos: Int64 = .min
    var waker: (any Wakeable)?
  }

  /// A spare that is being written.
  private struct Making: Sendable {
    var spare: Spare
    var file: any DiskFile
    var path: String
    var byteCount = 0
  }

  private static let pieceByteCount = 1 << 20
  private static let zeros = [UInt8](repeating: 0, count: 256 << 10)
  /// Pieces come at most at this pace, so that they leave the disk to the syncs of the log.
  private static let restNanos: Int64 = 4_000_000
  private static let retryNanos: Int64 = 5_000_000_000

  private let disk: any Disk
  private let clock: any Clock
  private let directory: String
  private let state = Mutex(State())
  /// Held by a step and by whoever gives a spare up.
  private let lane = SerialLane()

  /// - Parameter directory: the folder of the segments.
  init(_ disk: any Disk, clock: any Clock, directory: String) {
    self.disk = disk
    self.clock = clock
    self.directory = directory
  }

  /// Who is to be woken when there is something to do.
  func wake(_ waker: any Wakeable) { state.withLock { $0.waker = waker } }

  // MARK: For the writer

  /// Asks for a segment, if none is wanted or ready. Does not wait.
  func request(_ spare: Spare) {
    let waker = state.withLock { state -> (any Wakeable)? in
      guard state.wanted == nil, state.ready == nil, clock.monotonicNanos() >= state.notBeforeNanos
      else { return nil }
      state.wanted = spare
      return state.waker
    }
    waker?.wake()
  }

  /// The segment of that id, if it is ready; it is the caller's then. Does not wait.
  func take(_ segmentID: UInt64) -> Spare? {
    state.withLock { state in
      guard state.ready?.segmentID == segmentID else { return nil }
      return state.ready.take()
    }
  }

  /// Takes back what was taken and not begun.
  func putBack(_ spare: Spare) { state.withLock { $0.ready = spare } }

  /// As `take`; what is not ready is given up, so that the caller may make a file of that name. Waits for a
  /// step under way.
  func takeOrGiveUp(_ segmentID: UInt64) throws(StorageError) -> Spare? {
    try lane.run { () throws(StorageError) in
      if let spare = take(segmentID) { return spare }
      try abandon()
      return nil
    }
  }

  /// A segment was left; bytes behind `byteCount` are to go, with `trimLeft`.
  func trim(_ path: String, to byteCount: Int) {
    state.withLock { $0.untrimmed.append((path, byteCount)) }
  }

  /// Removes what is not used and trims what was left.
  func close() throws(StorageError) {
    try lane.run { () throws(StorageError) in
      try abandon()
      if let ready = state.withLock({ $0.ready.take() }) { try disk.remove(path(ready.segmentID)) }
    }
    try trimLeft()
  }

  /// Cuts off what segments that were left did not use. For moments in which nobody of this process reads them.
  func trimLeft() throws(StorageError) {
    try lane.run { () throws(StorageError) in
      while try trimNext() {}
    }
  }

  // MARK: Steps

  /// Does a piece of what is to be done.
  /// - Returns: `.idle` for a moment when there is more.
  func step() -> StepOutcome {
    do throws(StorageError) {
      return try lane.run { () throws(StorageError) in
        .idle(nanos: try makePiece() ? Self.restNanos : 1_000_000_000)
      }
    } catch {
      let next = clock.monotonicNanos() + Self.retryNanos
      state.withLock { $0.notBeforeNanos = next }
      try? lane.run { () throws(StorageError) in try abandon() }
      return .idle(nanos: 1_000_000_000)
    }
  }

  /// Something waits for a step.
  var hasWork: Bool { state.withLock { $0.wanted != nil } }

  private func path(_ segmentID: UInt64) -> String {
    FileNames.path(directory, FileNames.logSegment(segmentID))
  }

  private func makePiece() throws(StorageError) -> Bool {
    guard let wanted = state.withLock({ $0.wanted }) else { return false }
    var piece: Making
    if let begun = state.withLock({ $0.making }) {
      piece = begun
    } else {
      let temporary = FileNames.temporary(path(wanted.segmentID))
      if disk.exists(temporary) { try disk.remove(temporary) }
      piece = Making(spare: wanted, file: try disk.open(temporary, .create), path: temporary)
      state.withLock { [piece] in $0.making = piece }
    }
    let start = piece.byteCount
    let end = min(piece.spare.byteCount, start + Self.pieceByteCount)
    while piece.byteCount < end {
      let count = min(Self.zeros.count, end - piece.byteCount)
      try piece.file.write(Self.zeros.rawSpan.extracting(0..<count), at: piece.byteCount)
      piece.byteCount += count
    }
    if end < piece.spare.byteCount {
      piece.file.startWriteback(start..<end)
      state.withLock { [piece] in $0.making = piece }
      return true
    }
    try piece.file.sync()
    piece.file.close()
    let name = path(piece.spare.segmentID)
    try disk.rename(piece.path, to: name)
    state.withLock { $0.making = nil }
    do throws(StorageError) {
      try disk.syncDirectory(directory)
    } catch {
      try? disk.remove(name)
      throw error
    }
    state.withLock { [spare = piece.spare] in ($0.wanted, $0.ready) = (nil, spare) }
    return true
  }

  private func trimNext() throws(StorageError) -> Bool {
    guard let (path, byteCount) = state.withLock({ $0.untrimmed.popLast() }) else { return false }
    // Sealed and removed meanwhile.
    guard disk.exists(path) else { return true }
    let file = try disk.open(path, .readWrite)
    defer { file.close() }
    guard try file.byteCount() > byteCount else { return true }
    try file.truncate(to: byteCount)
    try file.sync()
    return true
  }

  /// Gives up what is wanted and not ready.
  private func abandon() throws(StorageError) {
    state.withLock { $0.wanted = nil }
    guard let begun = state.withLock({ $0.making.take() }) else { return }
    begun.file.close()
    if disk.exists(begun.path) { try disk.remove(begun.path) }
  }
}
