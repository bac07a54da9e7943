import Glibc

/// Where an answer goes: standard output, or a file that appears whole or not at all.
final class OutputFile {
  let sink: FileSink
  let isStandard: Bool
  private let path: String
  private let descriptor: Int32
  private var isCommitted = false

  init(path: String?) throws {
    isStandard = path == nil || path == "-"
    self.path = path ?? ""
    descriptor =
      isStandard
      ? STDOUT_FILENO : open(self.path + ".part", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      throw CommandError.failed("cannot write \(self.path): \(System.message(errno))")
    }
    sink = FileSink(descriptor: descriptor)
  }

  func commit() throws {
    try sink.flush()
    guard !isStandard else { return }
    guard rename(path + ".part", path) == 0 else {
      throw CommandError.failed("cannot write \(path): \(System.message(errno))")
    }
    isCommitted = true
  }

  deinit {
    guard !isStandard else { return }
    close(descriptor)
    if !isCommitted { unlink(path + ".part") }
  }
}
