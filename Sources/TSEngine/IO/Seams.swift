/// The four seams between the engine and the world. The engine reaches the disk, the clock,
/// randomness and threads only through these, so that a test runs the whole store from one seed
/// over a simulated disk that loses and reorders unsynced writes, tears sectors, flips bits,
/// runs full and fails syncs.

/// A directory tree on durable storage. Paths are absolute or relative to the process.
/// Every method throws `StorageError` with code `.io`, `.diskFull`, `.notFound` or `.busy`.
package protocol Disk: AnyObject, Sendable {
  /// Opens a file. `.create` fails when the file exists (O_EXCL); files are made with mode 0600.
  func open(_ path: String, _ mode: OpenMode) throws(StorageError) -> any DiskFile
  /// Names (not paths) of a directory's entries, sorted.
  func list(_ directory: String) throws(StorageError) -> [String]
  func exists(_ path: String) -> Bool
  /// Creates a directory (mode 0700) and its missing parents; fine when it exists.
  func createDirectory(_ path: String) throws(StorageError)
  /// Replaces `to` atomically. Durable only after `syncDirectory` of the parent.
  func rename(_ from: String, to: String) throws(StorageError)
  func remove(_ path: String) throws(StorageError)
  /// Makes creations, renames and removals in `directory` durable.
  func syncDirectory(_ directory: String) throws(StorageError)
  /// Takes the exclusive advisory lock on `path` (created when absent), kept until the file is closed.
  /// Throws `.busy` when another process has it.
  func lock(_ path: String) throws(StorageError) -> any DiskFile
  /// Whether `path` could be locked by several at once: nobody has it exclusively. Holds the shared
  /// lock for a moment, makes no file; true when there is none.
  func isUnlocked(_ path: String) throws(StorageError) -> Bool
  /// Bytes free to this process on the volume that holds `path`.
  func freeBytes(_ path: String) throws(StorageError) -> Int
}

package enum OpenMode: Sendable { case read, readWrite, create }

/// An open file. Reads and writes are positioned (pread, pwrite) and may come from any thread.
package protocol DiskFile: AnyObject, Sendable {
  var path: String { get }
  /// Writes all of `bytes` at `offset`; loops over short writes and EINTR.
  func write(_ bytes: RawSpan, at offset: Int) throws(StorageError)
  /// Fills `buffer` from `offset`, returning the number of bytes read; less than asked only at the end of file.
  func read(into buffer: inout MutableRawSpan, at offset: Int) throws(StorageError) -> Int
  /// Lets the disk begin to write `range`. An advice without a result: errors come with `sync`.
  func startWriteback(_ range: Range<Int>)
  /// fdatasync. An error is final for this file: it is never retried (RELIABILITY, finding 2).
  func sync() throws(StorageError)
  func truncate(to byteCount: Int) throws(StorageError)
  func byteCount() throws(StorageError) -> Int
  /// Drops what the operating system holds of this file in memory and has already written or given
  /// up, so that the next read shows what the disk has (recovery after a failed sync).
  func discardCached() throws(StorageError)
  /// Idempotent.
  func close()
}

package protocol Clock: Sendable {
  /// Wall time: Int64 nanoseconds since the Unix epoch, UTC. May jump.
  func nowNanos() -> Int64
  /// Monotonic nanoseconds for timeouts and measurements.
  func monotonicNanos() -> Int64
}

package protocol RNG: Sendable {
  /// Fills `buffer` with random bytes fit for secrets (in the real implementation).
  func fill(_ buffer: inout MutableRawSpan)
}

/// Runs the engine's background state machines. The real one has threads; the simulated one runs
/// a `step` when the test says so.
package protocol Scheduler: Sendable {
  /// Calls `step` again and again on a thread of its own named `name`: at once while it returns
  /// `.again`, else when woken or after the given delay, until it returns `.done`.
  /// - Parameter yields: whoever answers clients goes first where processors are short.
  /// - Throws: `.io` when the process may have no further thread; `step` is never called then.
  func run(
    _ name: String, yields: Bool, _ step: @escaping @Sendable () -> StepOutcome
  ) throws(StorageError) -> any Wakeable
}

extension Scheduler {
  package func run(
    _ name: String, _ step: @escaping @Sendable () -> StepOutcome
  ) throws(StorageError) -> any Wakeable {
    try run(name, yields: false, step)
  }
}

package enum StepOutcome: Sendable, Equatable {
  case again
  case idle(nanos: Int64)
  case done
}

package protocol Wakeable: AnyObject, Sendable {
  func wake()
  /// Returns once the step has answered `.done`.
  func join()
}

extension DiskFile {
  package func startWriteback(_: Range<Int>) {}
}
