import CTsqShims
import Glibc
import Synchronization

/// An open file of the machine. Any thread may read and write; the descriptor lives until the last
/// reference goes or `close` is called with no call under way.
final class PosixFile: DiskFile {
  private enum Phase { case open, failStopped, closed }

  let path: String
  private let descriptor: Int32
  private let phase = Mutex(Phase.open)

  init(_ descriptor: Int32, path: String) {
    self.descriptor = descriptor
    self.path = path
  }

  deinit { close() }

  func write(_ bytes: RawSpan, at offset: Int) throws(StorageError) {
    try requireWritable()
    var done = 0
    while done < bytes.byteCount {
      let count = unsafe bytes.withUnsafeBytes { raw in
        // SAFETY: done ..< raw.count lies inside `raw`, which lives through the call.
        unsafe pwrite(descriptor, raw.baseAddress! + done, raw.count - done, off_t(offset + done))
      }
      if count > 0 {
        done += count
      } else if count == 0 || errno != EINTR {
        throw PosixFailure.error("write", path, offset: offset + done)
      }
    }
  }

  func read(into buffer: inout MutableRawSpan, at offset: Int) throws(StorageError) -> Int {
    try requireOpen()
    var done = 0
    while done < buffer.byteCount {
      let count = unsafe buffer.withUnsafeMutableBytes { raw in
        // SAFETY: done ..< raw.count lies inside `raw`, which lives through the call.
        unsafe pread(descriptor, raw.baseAddress! + done, raw.count - done, off_t(offset + done))
      }
      if count == 0 { break }
      if count > 0 {
        done += count
      } else if errno != EINTR {
        throw PosixFailure.error("read", path, offset: offset + done)
      }
    }
    return done
  }

  func startWriteback(_ range: Range<Int>) {
    guard phase.withLock({ $0 == .open }) else { return }
    // Writes without waiting: it neither takes nor clears an error that a sync would report.
    tsq_start_writeback(descriptor, Int64(range.lowerBound), Int64(range.count))
  }

  func sync() throws(StorageError) {
    try requireWritable()
    if fdatasync(descriptor) == 0 { return }
    // The kernel marks the pages clean after reporting once: a second call would lie.
    let failure = PosixFailure.error("sync", path)
    phase.withLock { if $0 == .open { $0 = .failStopped } }
    throw StorageError(.io, failure.reason, file: path, errno: failure.errno)
  }

  func truncate(to byteCount: Int) throws(StorageError) {
    try requireWritable()
    while ftruncate(descriptor, off_t(byteCount)) != 0 {
      if errno != EINTR { throw PosixFailure.error("truncate", path, offset: byteCount) }
    }
  }

  func byteCount() throws(StorageError) -> Int {
    try requireOpen()
    var status = stat()
    // SAFETY: `status` is a local the call fills.
    guard unsafe fstat(descriptor, &status) == 0 else { throw PosixFailure.error("stat", path) }
    return Int(status.st_size)
  }

  func discardCached() throws(StorageError) {
    try requireOpen()
    // An advice: it may be ignored, as on a file system in memory.
    _ = posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED)
  }

  func close() {
    let wasOpen = phase.withLock { phase in
      defer { phase = .closed }
      return phase != .closed
    }
    // After an error of close the descriptor is gone too (Linux); nothing unsynced was promised.
    if wasOpen { _ = Glibc.close(descriptor) }
  }

  private func requireOpen() throws(StorageError) {
    if phase.withLock({ $0 == .closed }) { throw StorageError(.closed, "file closed", file: path) }
  }

  private func requireWritable() throws(StorageError) {
    switch phase.withLock({ $0 }) {
    case .open: return
    case .failStopped:
      throw StorageError(.failStopped, "an earlier sync of this file failed", file: path)
    case .closed: throw StorageError(.closed, "file closed", file: path)
    }
  }
}
