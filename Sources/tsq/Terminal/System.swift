import Glibc

/// The few things of the operating system that commands ask for.
enum System {
  static func message(_ number: Int32) -> String { String(cString: strerror(number)) }

  static func environment(_ name: String) -> String? {
    guard let value = getenv(name) else { return nil }
    let text = String(cString: value)
    return text.isEmpty ? nil : text
  }

  /// Who runs this process, by name where the system knows one.
  static var userName: String {
    guard let entry = getpwuid(getuid()) else { return "uid \(getuid())" }
    return String(cString: entry.pointee.pw_name)
  }

  /// Nanoseconds of a clock that never jumps.
  static func monotonicNanos() -> Int64 { nanos(CLOCK_MONOTONIC) }
  /// Nanoseconds since the Unix epoch.
  static func wallNanos() -> Int64 { nanos(CLOCK_REALTIME) }

  private static func nanos(_ clock: clockid_t) -> Int64 {
    var time = timespec()
    clock_gettime(clock, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }

  /// The whole of a file; `-` is standard input.
  static func contents(of path: String) throws -> [UInt8] {
    let descriptor = path == "-" ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw CommandError.failed("cannot read \(path): \(message(errno))") }
    defer { if descriptor != STDIN_FILENO { close(descriptor) } }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      let count = read(descriptor, &chunk, chunk.count)
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw CommandError.failed("cannot read \(path): \(message(errno))") }
      if count == 0 { return bytes }
      bytes.append(contentsOf: chunk[..<count])
    }
  }

  /// `path` without symbolic links, which a store does not follow; as it is when nothing is there.
  static func resolved(_ path: String) -> String {
    guard let real = realpath(path, nil) else { return path }
    defer { free(real) }
    return String(cString: real)
  }

  /// Makes `path` and its missing parents.
  static func makeDirectory(_ path: String, mode: mode_t = 0o700) {
    var partial = path.hasPrefix("/") ? "/" : ""
    for part in path.split(separator: "/") {
      partial += partial.isEmpty || partial.hasSuffix("/") ? String(part) : "/\(part)"
      mkdir(partial, mode)
    }
  }
}
