import Glibc

/// A process of the test's own, started with default signals and waited for without a run loop.
final class ChildProcess: @unchecked Sendable {
  // Sendable: one test uses it at a time.
  let id: pid_t
  private var isRunning = true

  init(_ path: String, _ arguments: [String], output: String = "/dev/null") throws {
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    // Threads of the test runner block signals; a child must not inherit that.
    var none = sigset_t()
    sigemptyset(&none)
    var all = sigset_t()
    sigfillset(&all)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setsigdefault(&attributes, &all)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
    var arguments = ([path] + arguments).map { strdup($0) } + [nil]
    defer { for argument in arguments { free(argument) } }
    var id: pid_t = 0
    guard posix_spawn(&id, path, &actions, &attributes, &arguments, environ) == 0 else {
      throw Timeout(description: "cannot start \(path)")
    }
    self.id = id
  }

  deinit { end(SIGKILL) }

  func end(_ signal: Int32) {
    guard isRunning else { return }
    kill(id, signal)
    wait()
  }

  func wait() { _ = waitForStatus() }

  /// The exit status; negative for the signal that ended it.
  func waitForStatus() -> Int32 {
    guard isRunning else { return 0 }
    var status: Int32 = 0
    while waitpid(id, &status, 0) < 0, errno == EINTR {}
    isRunning = false
    return status & 0x7F == 0 ? (status >> 8) & 0xFF : -(status & 0x7F)
  }
}
