/// The file BACKUP: what a backup holds (FORMAT.md, "Backup"). It is written last and all at once,
/// so a folder without it is no backup, however much lies in it. Lines of text, for people and for
/// sha256sum:
///
///     tsq-backup 1
///     store <id, hex>
///     taken <nanoseconds>
///     lsn <the last LSN it holds>
///     since <SHA-256 of the other's BACKUP> <its folder>
///     file <SHA-256> <bytes> here|before <name>
///     end <SHA-256 of all lines before>
package struct BackupList: Sendable, Equatable {
  package struct File: Sendable, Equatable {
    /// Relative to the store's folder.
    package var name: String
    package var byteCount: Int
    package var digest: Digest
    /// False: it lies in an earlier backup.
    package var isHere: Bool
  }

  /// The backup that holds what is not here.
  package struct Previous: Sendable, Equatable {
    package var directory: String
    /// Of its BACKUP, so that another backup in the same place is not taken for it.
    package var digest: Digest
  }

  package var store: StoreID
  /// Nanoseconds since the Unix epoch.
  package var takenAt: Int64
  package var lsn: LSN
  package var previous: Previous?
  package var files: [File] = []

  private static let firstLine = "tsq-backup 1"
  private static let byteLimit = 256 << 20

  package init(store: StoreID, takenAt: Int64, lsn: LSN) {
    self.store = store
    self.takenAt = takenAt
    self.lsn = lsn
  }

  package func file(_ name: String) -> File? { files.first { $0.name == name } }

  package var text: String {
    var text = "\(Self.firstLine)\nstore \(Hex.text(store.high))\(Hex.text(store.low))\n"
    text += "taken \(takenAt)\nlsn \(lsn)\n"
    if let previous { text += "since \(Hex.text(previous.digest.bytes)) \(previous.directory)\n" }
    for file in files {
      text += "file \(Hex.text(file.digest.bytes)) \(file.byteCount) "
      text += (file.isHere ? "here " : "before ") + file.name + "\n"
    }
    return text + "end \(Hex.text(SHA256.hash(Array(text.utf8))))\n"
  }

  /// - Throws: `.corrupt`, `.unsupportedVersion`.
  package init(decoding bytes: [UInt8]) throws(StorageError) {
    guard let text = String(validating: bytes.rawSpan) else { throw Self.malformed }
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false)[...]
    guard lines.popLast() == "", let end = lines.popLast() else { throw Self.malformed }
    let covered = lines.map { $0 + "\n" }.joined()
    guard end == "end \(Hex.text(SHA256.hash(Array(covered.utf8))))" else {
      throw StorageError(.corrupt, "the list of a backup fails its checksum")
    }
    guard lines.popFirst() ?? "" == Self.firstLine else {
      throw StorageError(.unsupportedVersion, "the list of a backup of an unknown version")
    }
    self.init(store: StoreID(high: 0, low: 0), takenAt: 0, lsn: 0)
    for line in lines {
      let words = line.split(separator: " ", maxSplits: 1).map(String.init)
      guard words.count == 2 else { throw Self.malformed }
      try read(words[0], words[1])
    }
  }

  private static let malformed = StorageError(.corrupt, "not the list of a backup")

  private mutating func read(_ word: String, _ rest: String) throws(StorageError) {
    switch word {
    case "store":
      guard let id = Hex.bytes(rest), id.count == 16 else { throw Self.malformed }
      var (high, low): (UInt64, UInt64) = (0, 0)
      for index in 0..<8 {
        high = high << 8 | UInt64(id[index])
        low = low << 8 | UInt64(id[8 + index])
      }
      store = StoreID(high: high, low: low)
    case "taken":
      guard let time = Int64(rest) else { throw Self.malformed }
      takenAt = time
    case "lsn":
      guard let number = UInt64(rest) else { throw Self.malformed }
      lsn = number
    case "since":
      let parts = rest.split(separator: " ", maxSplits: 1).map(String.init)
      guard parts.count == 2, let digest = Self.digest(parts[0]) else { throw Self.malformed }
      previous = Previous(directory: parts[1], digest: digest)
    case "file":
      let parts = rest.split(separator: " ", maxSplits: 3).map(String.init)
      guard parts.count == 4, let digest = Self.digest(parts[0]), let byteCount = Int(parts[1]),
        byteCount >= 0, parts[2] == "here" || parts[2] == "before", Self.isName(parts[3])
      else { throw Self.malformed }
      files.append(
        File(name: parts[3], byteCount: byteCount, digest: digest, isHere: parts[2] == "here"))
    default: throw StorageError(.unsupportedVersion, "the list of a backup says more than is known")
    }
  }

  private static func digest(_ text: String) -> Digest? {
    guard let bytes = Hex.bytes(text), bytes.count == SHA256.byteCount else { return nil }
    return Digest(bytes)
  }

  /// Within the folder: names come from a file that anybody may have written.
  private static func isName(_ name: String) -> Bool {
    !name.isEmpty && !name.hasPrefix("/")
      && name.split(separator: "/", omittingEmptySubsequences: false)
        .allSatisfy { !$0.isEmpty && $0 != "." && $0 != ".." }
  }

  // MARK: On disk

  /// The list of the backup in `directory`, and the digest of its bytes.
  /// - Throws: `.notFound` when there is none: no backup, or one that was never finished.
  package static func read(
    _ disk: any Disk, _ directory: String
  ) throws(StorageError) -> (list: BackupList, digest: Digest) {
    let path = FileNames.path(directory, FileNames.backupList)
    guard disk.exists(path) else {
      throw StorageError(.notFound, "no backup, or one that was never finished", file: directory)
    }
    let file = try disk.open(path, .read)
    defer { file.close() }
    let byteCount = try file.byteCount()
    guard byteCount <= byteLimit else { throw Self.malformed }
    let bytes = try file.bytes(0..<byteCount)
    do throws(StorageError) {
      return (try BackupList(decoding: bytes), Digest(SHA256.hash(bytes)))
    } catch {
      throw StorageError(error.code, error.reason, file: path)
    }
  }

  /// Makes the folder a backup: durable on return, and not before.
  func write(_ disk: any Disk, _ directory: String) throws(StorageError) {
    let path = FileNames.path(directory, FileNames.backupList)
    let temporary = FileNames.temporary(path)
    if disk.exists(temporary) { try disk.remove(temporary) }
    let file = try disk.open(temporary, .create)
    defer { file.close() }
    let bytes = Array(text.utf8)
    try file.write(bytes.rawSpan, at: 0)
    try file.sync()
    try disk.rename(temporary, to: path)
    try disk.syncDirectory(directory)
  }
}

extension Hex {
  /// The bytes that lower-case hex digits spell, or nil.
  package static func bytes(_ text: String) -> [UInt8]? {
    let digits = text.utf8.map { value($0) }
    guard digits.count % 2 == 0, !digits.contains(nil) else { return nil }
    return stride(from: 0, to: digits.count, by: 2).map {
      UInt8((digits[$0] ?? 0) << 4 | (digits[$0 + 1] ?? 0))
    }
  }
}
