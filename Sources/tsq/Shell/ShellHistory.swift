import Glibc

/// What was typed, across sessions: `${XDG_STATE_HOME:-~/.local/state}/tsq/history`, one entry a
/// line, appended whole, so that shells side by side lose nothing of each other.
struct ShellHistory {
  /// How many of the newest entries a new shell knows.
  static let entryLimit = 10_000
  let path: String?

  init(path: String? = ShellHistory.defaultPath) { self.path = path }

  static var defaultPath: String? {
    if let state = System.environment("XDG_STATE_HOME") { return state + "/tsq/history" }
    return System.environment("HOME").map { $0 + "/.local/state/tsq/history" }
  }

  /// Oldest first. A file that cannot be read is an empty one.
  func load() -> [String] {
    guard let path, access(path, R_OK) == 0, let bytes = try? System.contents(of: path) else { return [] }
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n").suffix(Self.entryLimit).map(Self.decode)
  }

  /// An entry that begins with a space is not kept, as in other shells.
  func append(_ entry: String) {
    guard let path, !entry.hasPrefix(" "), let slash = path.lastIndex(of: "/") else { return }
    System.makeDirectory(String(path[..<slash]))
    let descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { return }
    defer { close(descriptor) }
    try? FileSink(descriptor: descriptor).writeThrough(Self.encode(entry))
  }

  static func encode(_ entry: String) -> String {
    var out = ""
    for scalar in entry.unicodeScalars {
      switch scalar {
      case "\\": out += "\\\\"
      case "\n": out += "\\n"
      default: out.unicodeScalars.append(scalar)
      }
    }
    return out
  }

  static func decode(_ line: some StringProtocol) -> String {
    var out = ""
    var isEscaped = false
    for scalar in line.unicodeScalars {
      if isEscaped {
        out.unicodeScalars.append(scalar == "n" ? "\n" : scalar)
        isEscaped = false
      } else if scalar == "\\" {
        isEscaped = true
      } else {
        out.unicodeScalars.append(scalar)
      }
    }
    return out
  }
}
