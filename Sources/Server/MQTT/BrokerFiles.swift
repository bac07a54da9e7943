import Foundation
import Synchronization
import TSEngine

/// Keeps a broker's password and ACL files as the registry has them, and has the broker read them again (SIGHUP).
package final class BrokerFiles: Sendable {
  package struct Options: Sendable, Equatable {
    /// Where `passwords` and `acl` are written.
    package var directory: String
    /// Of the broker; without it nobody tells the broker.
    package var pidFile: String?

    package init(directory: String, pidFile: String? = nil) {
      self.directory = directory
      self.pidFile = pidFile
    }
  }

  private static let pauseNanos: Int64 = 1_000_000_000

  private let store: Store
  private let options: Options
  private let logins: [BrokerAccess.Login]
  private let discoveryPrefix: String
  private let thingsPrefix: String
  private let log: @Sendable (String) -> Void
  /// The newest event that the files tell.
  private let writtenLSN = Mutex<LSN?>(nil)
  private let thread = DaemonThread()

  /// - Parameter logins: of tsq itself.
  package init(
    _ store: Store, _ options: Options, logins: [BrokerAccess.Login], discoveryPrefix: String,
    thingsPrefix: String, log: @escaping @Sendable (String) -> Void
  ) {
    self.logins = logins
    self.store = store
    self.options = options
    self.discoveryPrefix = discoveryPrefix
    self.thingsPrefix = thingsPrefix
    self.log = log
  }

  /// Writes the files, then keeps them.
  package func start() throws {
    _ = step()
    try thread.start("tsq-broker-files", of: store) { [weak self] in self?.step() ?? .done }
  }

  package func wake() { thread.wake() }

  package func stop() { thread.stop() }

  package func step() -> StepOutcome {
    if thread.isStopped { return .done }
    // What is left of a damaged registry lets nobody in or out.
    guard writtenLSN.withLock({ $0 }) != store.lastEventLSN, let registry = try? store.wholeRegistry() else {
      return .idle(nanos: Self.pauseNanos)
    }
    let access = BrokerAccess(
      registry, logins: logins, discoveryPrefix: discoveryPrefix, thingsPrefix: thingsPrefix)
    do {
      // Rules first: who comes in by the new passwords finds them.
      let isNew = [try write(access.acl, "acl"), try write(access.passwords, "passwords")].contains(true)
      if isNew { tellBroker() }
      writtenLSN.withLock { $0 = registry.lastEventLSN }
    } catch {
      log("The broker's files in \(options.directory) cannot be written: \(error.localizedDescription)")
    }
    return .idle(nanos: Self.pauseNanos)
  }

  /// Replaces the file at once, so that a broker reads all of it or all of the old one; false when it says so already.
  private func write(_ text: String, _ name: String) throws -> Bool {
    let path = "\(options.directory)/\(name)"
    let bytes = Data(text.utf8)
    if FileManager.default.contents(atPath: path) == bytes { return false }
    let temporary = "\(path).new"
    try? FileManager.default.removeItem(atPath: temporary)
    // The broker's group may read it: a directory with the setgid bit gives it that group.
    let made = FileManager.default.createFile(atPath: temporary, contents: bytes, attributes: [.posixPermissions: 0o640])
    guard made, rename(temporary, path) == 0 else {
      let reason = "\(name): \(String(cString: strerror(errno)))"
      throw CocoaError(.fileWriteUnknown, userInfo: [NSLocalizedDescriptionKey: reason])
    }
    return true
  }

  private func tellBroker() {
    guard let file = options.pidFile else { return }
    let text = FileManager.default.contents(atPath: file).map { String(decoding: $0, as: UTF8.self) } ?? ""
    // A broker that is not there reads them when it starts.
    guard let id = pid_t(text.trimmingCharacters(in: .whitespacesAndNewlines)), id > 1 else { return }
    if kill(id, SIGHUP) != 0 { log("The broker (process \(id)) cannot be told: \(String(cString: strerror(errno)))") }
  }
}
