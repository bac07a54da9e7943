import Glibc
import Query

/// An answer on a terminal: one that fits the screen is printed, a longer one goes through
/// `$TSQ_PAGER`, `$PAGER` or `less`. Rows stream either way; leaving the pager ends the query.
final class PagedSink: ByteSink {
  private let screenRows: Int
  private let direct = FileSink(descriptor: STDOUT_FILENO)
  private var held: [UInt8] = []
  private var heldLines = 0
  private var pager: Pager?
  private var isDirect: Bool

  /// - Parameter screenRows: lines that fit, footer and prompt taken off.
  init(screenRows: Int, isPaging: Bool) {
    self.screenRows = screenRows
    isDirect = !isPaging
  }

  func write(_ bytes: inout [UInt8]) throws(OutputError) {
    if isDirect { return try direct.write(&bytes) }
    if let pager { return try pager.sink.write(&bytes) }
    heldLines += bytes.count { $0 == UInt8(ascii: "\n") }
    held.append(contentsOf: bytes)
    bytes.removeAll(keepingCapacity: true)
    guard heldLines > screenRows else { return }
    pager = Pager.start()
    isDirect = pager == nil
    try release()
  }

  func flush() throws(OutputError) {
    if let pager { return try pager.sink.flush() }
    if isDirect { return try direct.flush() }
  }

  /// Prints what is held and waits until the reader leaves the pager. To be called in the end,
  /// also after an error.
  func finish() {
    if let pager {
      try? pager.sink.flush()
      pager.wait()
    } else {
      try? release()
      try? direct.flush()
    }
  }

  private func release() throws(OutputError) {
    var bytes = held
    held = []
    if let pager {
      try pager.sink.write(&bytes)
    } else {
      try direct.write(&bytes)
    }
  }
}

/// A process that shows what it reads page by page.
private final class Pager {
  let sink: FileSink
  private let process: pid_t
  private var input: Int32

  private init(process: pid_t, input: Int32) {
    self.process = process
    self.input = input
    sink = FileSink(descriptor: input)
  }

  /// nil when there is none.
  static func start() -> Pager? {
    let command = System.environment("TSQ_PAGER") ?? System.environment("PAGER") ?? "less"
    var ends: [Int32] = [0, 0]
    guard pipe(&ends) == 0 else { return nil }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO)
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    // The child gets Ctrl-C and SIGPIPE as any program does.
    var mask = sigset_t()
    sigemptyset(&mask)
    posix_spawnattr_setsigmask(&attributes, &mask)
    var defaults = sigset_t()
    sigemptyset(&defaults)
    sigaddset(&defaults, SIGPIPE)
    posix_spawnattr_setsigdefault(&attributes, &defaults)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
    if getenv("LESS") == nil { setenv("LESS", "SRFX", 0) }
    let arguments = ["/bin/sh", "-c", "command -v \(command.prefix { $0 != " " }) >/dev/null && exec \(command)"]
    var pointers: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
    defer { for pointer in pointers { free(pointer) } }
    var process = pid_t()
    let failure = posix_spawn(&process, "/bin/sh", &actions, &attributes, &pointers, environ)
    close(ends[0])
    guard failure == 0 else {
      close(ends[1])
      return nil
    }
    return Pager(process: process, input: ends[1])
  }

  func wait() {
    if input >= 0 { close(input) }
    input = -1
    var status: Int32 = 0
    while waitpid(process, &status, 0) < 0 && errno == EINTR {}
  }
}
