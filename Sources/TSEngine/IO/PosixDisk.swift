import Glibc

/// The disk of the machine, by system calls alone. Files are 0600, directories 0700; links are not
/// followed and descriptors do not pass to children.
package final class PosixDisk: Disk {
  package init() { Self.raiseDescriptorLimit }

  /// A store has up to `StoreOptions.openFileLimit` data segments open beside connections and logs,
  /// and the usual soft limit is 1024: raised to the hard one, once a process.
  private static let raiseDescriptorLimit: Void = {
    var limit = rlimit()
    // SAFETY: `limit` is a local that the calls read and fill.
    guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0,
      limit.rlim_cur < limit.rlim_max
    else { return }
    limit.rlim_cur = limit.rlim_max
    // What cannot be raised stays: fewer files are open then.
    _ = unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
  }()

  package func open(_ path: String, _ mode: OpenMode) throws(StorageError) -> any DiskFile {
    let flags =
      switch mode {
      case .read: O_RDONLY
      case .readWrite: O_RDWR
      case .create: O_RDWR | O_CREAT | O_EXCL
      }
    return PosixFile(try Self.descriptor(path, flags), path: path)
  }

  package func list(_ directory: String) throws(StorageError) -> [String] {
    guard let stream = unsafe opendir(directory) else {
      throw PosixFailure.error("open directory", directory)
    }
    // SAFETY: `stream` came from opendir, is used by this thread only and closed once.
    defer { _ = unsafe closedir(stream) }
    var names: [String] = []
    while true {
      errno = 0
      // SAFETY: the entry is valid until the next readdir of the same stream; its name is
      // NUL-terminated and copied here.
      guard let entry = unsafe readdir(stream) else { break }
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { field in
        unsafe field.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
    }
    if errno != 0 { throw PosixFailure.error("read directory", directory) }
    return names.sorted()
  }

  package func exists(_ path: String) -> Bool {
    unsafe access(path, F_OK) == 0
  }

  package func createDirectory(_ path: String) throws(StorageError) {
    if unsafe mkdir(path, 0o700) == 0 || errno == EEXIST { return }
    guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex else {
      throw PosixFailure.error("create directory", path)
    }
    try createDirectory(String(path[..<slash]))
    if unsafe mkdir(path, 0o700) != 0 && errno != EEXIST {
      throw PosixFailure.error("create directory", path)
    }
  }

  package func rename(_ from: String, to: String) throws(StorageError) {
    if unsafe Glibc.rename(from, to) != 0 { throw PosixFailure.error("rename", from) }
  }

  package func remove(_ path: String) throws(StorageError) {
    if unsafe unlink(path) != 0 { throw PosixFailure.error("remove", path) }
  }

  package func syncDirectory(_ directory: String) throws(StorageError) {
    let descriptor = try Self.descriptor(
      directory.isEmpty ? "." : directory, O_RDONLY | O_DIRECTORY)
    defer { _ = Glibc.close(descriptor) }
    if fsync(descriptor) != 0 { throw PosixFailure.error("sync directory", directory) }
  }

  package func lock(_ path: String) throws(StorageError) -> any DiskFile {
    let descriptor = try Self.descriptor(path, O_RDWR | O_CREAT)
    var failure: StorageError?
    // Who asks whether it is locked holds it shared for microseconds: that is not `.busy`.
    for _ in 0..<Self.lockAttempts {
      failure = Self.tryLock(descriptor, LOCK_EX, path)
      guard let failure else { return PosixFile(descriptor, path: path) }
      if failure.code != .busy { break }
      guard Self.tryLock(descriptor, LOCK_SH, path) == nil else { break }
      _ = flock(descriptor, LOCK_UN)
      _ = sched_yield()
    }
    _ = Glibc.close(descriptor)
    throw failure ?? StorageError(.busy, "another process has the lock", file: path)
  }

  /// Against others that ask all the time.
  private static let lockAttempts = 10_000

  package func isUnlocked(_ path: String) throws(StorageError) -> Bool {
    do throws(StorageError) {
      let descriptor = try Self.descriptor(path, O_RDONLY)
      // Closing gives the lock free.
      defer { _ = Glibc.close(descriptor) }
      guard let failure = Self.tryLock(descriptor, LOCK_SH, path) else { return true }
      if failure.code == .busy { return false }
      throw failure
    } catch {
      if error.code == .notFound { return true }
      throw error
    }
  }

  /// Nil when the lock was taken; never waits.
  private static func tryLock(
    _ descriptor: Int32, _ kind: Int32, _ path: String
  ) -> StorageError? {
    while flock(descriptor, kind | LOCK_NB) != 0 {
      if errno == EINTR { continue }
      let failure = PosixFailure.error("lock", path)
      if failure.errno == EWOULDBLOCK {
        return StorageError(.busy, "another process has the lock", file: path, errno: failure.errno)
      }
      return failure
    }
    return nil
  }

  package func freeBytes(_ path: String) throws(StorageError) -> Int {
    var statistics = statvfs()
    // SAFETY: `statistics` is a local the call fills.
    guard unsafe statvfs(path, &statistics) == 0 else {
      throw PosixFailure.error("read free space", path)
    }
    let bytes = UInt64(statistics.f_bavail).multipliedReportingOverflow(
      by: UInt64(statistics.f_frsize))
    return bytes.overflow ? .max : Int(clamping: bytes.partialValue)
  }

  private static func descriptor(_ path: String, _ flags: Int32) throws(StorageError) -> Int32 {
    while true {
      let descriptor = unsafe Glibc.open(path, flags | O_NOFOLLOW | O_CLOEXEC, 0o600)
      if descriptor >= 0 { return descriptor }
      if errno != EINTR { throw PosixFailure.error("open", path) }
    }
  }
}

enum PosixFailure {
  /// The error for the present `errno`.
  static func error(_ action: String, _ path: String, offset: Int? = nil) -> StorageError {
    let number = errno
    let code: StorageError.Code =
      switch number {
      case ENOSPC, EDQUOT: .diskFull
      case ENOENT: .notFound
      default: .io
      }
    return StorageError(code, "\(action) failed", file: path, offset: offset, errno: number)
  }
}
