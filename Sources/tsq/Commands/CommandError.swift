import TSEngine

/// What a command ends with; INTERFACES of the command line, never renumbered.
enum ExitStatus: Int32, Sendable {
  case done = 0
  case failed = 1
  case usage = 2
  case damaged = 3
  case unavailable = 4
  case interrupted = 130
}

/// Why a command ended, in one sentence that names the place and the remedy.
struct CommandError: Error, Equatable {
  var status: ExitStatus
  /// Empty when there is nothing left to say.
  var sentence: String

  init(_ status: ExitStatus, _ sentence: String) {
    self.status = status
    self.sentence = sentence
  }

  static func failed(_ sentence: String) -> CommandError { CommandError(.failed, sentence) }
  static func usage(_ sentence: String) -> CommandError { CommandError(.usage, sentence) }
  static let interrupted = CommandError(.interrupted, "")

  static func notYet(_ what: String, instead: String? = nil) -> CommandError {
    CommandError(.usage, "\(what) is not there yet" + (instead.map { "; \($0)" } ?? ""))
  }
}

// MARK: - Sentences

extension CommandError {
  /// What the store said, in words that tell what to do. `store` is its directory.
  init(_ error: StorageError, store: String) {
    let place =
      (error.file.map { " \($0)" } ?? "") + (error.offset.map { " at byte \($0)" } ?? "")
    switch error.code {
    case .corrupt, .truncated:
      self.init(
        .damaged,
        "\(error.file ?? "the store at \(store)") is damaged"
          + (error.offset.map { " at byte \($0)" } ?? "")
          + " (\(error.reason)); nothing was changed, run: tsq verify --store \(store)")
    case .unsupportedVersion:
      self.init(
        .unavailable, "the store at \(store) needs a newer tsq (\(error.reason)); upgrade tsq to open it")
    case .notFound:
      self.init(
        .unavailable,
        "there is no store at \(store); name one with --store DIR, or begin one with: tsq import, tsq simulate or tsq serve"
      )
    case .busy:
      self.init(
        .unavailable,
        "the store at \(store) is open in another process; stop that one, or ask it with --connect URL")
    case .overloaded:
      self.init(.unavailable, "the store at \(store) has more to write than it can keep up with; try again")
    case .diskFull:
      self.init(
        .failed, "the disk of \(store) is full; what was acknowledged is safe, free some space and try again")
    case .failStopped:
      self.init(
        .failed,
        "the disk under \(store) refused an earlier sync, so nothing more is written; check the disk, then open the store again"
      )
    case .io:
      self.init(.failed, "the system refused a read or write in \(store):\(place) \(error.reason)"
        + (error.errno.map { " (\(System.message($0)))" } ?? "") + "; check the disk and its permissions")
    case .conflict:
      self.init(.failed, "somebody else changed it first (\(error.reason)); look again and repeat")
    case .closed: self.init(.failed, "the store at \(store) was closed")
    case .invalid: self.init(.failed, error.reason)
    }
  }
}
