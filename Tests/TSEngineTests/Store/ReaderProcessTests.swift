import Glibc
import Testing

@testable import TSEngine

/// A writer and readers in processes of their own, on a real disk.
@Suite struct ReaderProcessTests {
  @Test func readersSeeWholeSumsThroughSealingsAndCompactionsOfAWriterInAnotherProcess() throws {
    try withFolder { folder in
      let store = folder + "/store"
      let writer = try Probe(["write", store, "1000000"], output: folder + "/writer")
      try waitFor(store + "/journal/000002.journal")
      // Nobody else may write meanwhile.
      #expect(try Probe(["write", store, "1"], output: folder + "/second").exitCode() == 4)
      var readers: [Probe] = []
      for reader in 0..<2 {
        readers.append(try Probe(["read", store, "12"], output: folder + "/reader\(reader)"))
      }
      for (index, reader) in readers.enumerated() {
        let code = reader.exitCode()
        #expect(code == 0, "reader \(index): \(text(folder + "/reader\(index)"))")
      }
      // A reader that is killed pins nothing any more; a writer that is killed loses nothing.
      let killed = try Probe(["read", store, "1000000"], output: folder + "/killed")
      usleep(150_000)
      killed.kill()
      writer.kill()
      #expect(try Probe(["write", store, "0"], output: folder + "/again").exitCode() == 0)
      let last = try Probe(["read", store, "1"], output: folder + "/last")
      #expect(last.exitCode() == 0, "\(text(folder + "/last"))")
      let count = Int(text(folder + "/last").filter(\.isNumber)) ?? 0
      #expect(count >= 6, "\(count) rounds")
      #expect(try PosixDisk().list(store + "/pins").isEmpty)
    }
  }

  private func waitFor(_ path: String) throws {
    for _ in 0..<3_000 {
      if PosixDisk().exists(path) { return }
      usleep(10_000)
    }
    throw StorageError(.notFound, "the writer has not sealed", file: path)
  }

  private func text(_ path: String) -> String {
    guard let file = try? PosixDisk().open(path, .read),
      let bytes = try? file.bytes(0..<(try file.byteCount()))
    else { return "" }
    return String(decoding: bytes, as: UTF8.self)
  }

  private func withFolder(_ body: (String) throws -> Void) throws {
    let disk = PosixDisk()
    let folder = "/tmp/tsq-readers-\(getpid())-\(UInt32.random(in: 0 ... .max))"
    try disk.createDirectory(folder)
    func remove(_ path: String) {
      for name in (try? disk.list(path)) ?? [] {
        if (try? disk.remove(path + "/" + name)) == nil { remove(path + "/" + name) }
      }
      rmdir(path)
    }
    defer { remove(folder) }
    try body(folder)
  }
}

/// A run of `engine-probe`. Killed when it goes.
private final class Probe {
  private let id: pid_t
  private var status: Int32?

  init(_ arguments: [String], output: String) throws {
    let runner = CommandLine.arguments[0]
    let folder = runner.lastIndex(of: "/").map { String(runner[..<$0]) } ?? "."
    let path = folder + "/engine-probe"
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    var words = ([path] + arguments).map { strdup($0) } + [nil]
    defer { for word in words { free(word) } }
    var id: pid_t = 0
    guard posix_spawn(&id, path, &actions, nil, &words, environ) == 0 else {
      throw StorageError(.notFound, "cannot start", file: path)
    }
    self.id = id
  }

  deinit { kill() }

  func kill() {
    guard status == nil else { return }
    Glibc.kill(id, SIGKILL)
    _ = exitCode()
  }

  /// Waits. Negative for the signal that ended it.
  func exitCode() -> Int32 {
    if let status { return status }
    var raw: Int32 = 0
    while waitpid(id, &raw, 0) < 0, errno == EINTR {}
    let code = raw & 0x7F == 0 ? (raw >> 8) & 0xFF : -(raw & 0x7F)
    status = code
    return code
  }
}
