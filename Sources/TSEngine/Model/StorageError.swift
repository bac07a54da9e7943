/// What went wrong in the store, and where.
///
/// `reason` says what was expected and what was found and never holds user data; the sentence a
/// person reads is made from `code` at the edge.
public struct StorageError: Error, Equatable, Sendable {
  public enum Code: String, Sendable {
    /// Bytes fail their check: a checksum, a magic, a length, an impossible value.
    case corrupt
    /// Fewer bytes than the format promises.
    case truncated
    /// Written by a newer version, or with a feature this one does not know.
    case unsupportedVersion
    /// The operating system refused a read, write or sync; `errno` says why.
    case io
    /// The disk is full; nothing was written, writing resumes when space returns.
    case diskFull
    /// An earlier sync failed; the store refuses writes until it is opened again.
    case failStopped
    /// Another process has the store open for writing.
    case busy
    /// There is no store here.
    case notFound
    /// The store was closed.
    case closed
    /// What the caller asked for is not possible (unknown table, oversized batch, …).
    case invalid
    /// More comes in than can be written, or memory for unsealed readings is full; try again later.
    case overloaded
    /// An expected version did not match: somebody else was first.
    case conflict
  }
  public var code: Code
  public var reason: String
  public var file: String?
  /// Bytes from the start of `file`.
  public var offset: Int?
  public var errno: Int32?

  package init(
    _ code: Code, _ reason: String, file: String? = nil, offset: Int? = nil, errno: Int32? = nil
  ) {
    self.code = code
    self.reason = reason
    self.file = file
    self.offset = offset
    self.errno = errno
  }
}

extension StorageError: CustomStringConvertible {
  public var description: String {
    var text = "\(code.rawValue): \(reason)"
    if let file { text += " in \(file)" }
    if let offset { text += " at byte \(offset)" }
    if let errno { text += " (errno \(errno))" }
    return text
  }
}
