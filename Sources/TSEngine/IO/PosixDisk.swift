import Glibc

/// The disk of the machine, by system calls alone. Files are 0600, directories 0700; links are not
/// followed and descriptors do not pass to children.
package final class PosixDisk: Disk {
  package init() {}

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
    while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
      if errno == EINTR { continue }
      let failure = PosixFailure.error("lock", path)
      _ = Glibc.close(descriptor)
      if failure.errno == EWOULDBLOCK {
        throw StorageError(.busy, "another process has the lock", file: path, errno: failure.errno)
      }
      throw failure
    }
    return PosixFile(descriptor, path: path)
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
