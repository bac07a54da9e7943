/// What journal segments make: the registry as of one LSN with the commit clock and the chain of roots.
struct SealedRegistry: Sendable {
  var lsn: LSN = 0
  var registry = Registry()
  var eventCount = 0
}

/// What the older journal segments say, in one derived file, so that an opening need not read them
/// (FORMAT.md, section 18).
///
/// It stands for journal segments up to an LSN, all of them and as the manifest names them; else, or
/// where a check fails, it is left aside and they are read.
package struct RegistryCheckpoint: Sendable {
  /// What a store knows of the file it opened with or wrote last.
  package struct State: Sendable {
    /// It holds what journal segments up to this LSN say; 0 without a file.
    package var lsn: LSN = 0
    package var byteCount = 0
    /// Why the file was left aside at the opening.
    package var failure: StorageError?
    /// The sealed LSN for which it was last judged whether another is due.
    var judgedLSN: LSN = 0
  }

  var sealed = SealedRegistry()
  var clock = CommitClock()
  var chain: [ChainLink] = []
  private(set) var byteCount = 0

  init() {}

  private init(_ contents: Contents, _ body: [UInt8]) throws(StorageError) {
    sealed.registry = try Registry(checkpoint: body.rawSpan, isChecked: true)
    sealed.lsn = contents.journals.lsn
    sealed.eventCount = contents.journals.eventCount
    clock = contents.clock
    chain = contents.chain
    byteCount = contents.byteCount
  }

  /// Reads the checkpoint of a store whose live files are `manifest`'s.
  /// - Returns: an empty one, of LSN 0, where there is none that fits, and why where it is not just
  ///   missing or ahead of the manifest, as beside a writer.
  static func load(
    _ disk: any Disk, _ directory: String, _ storeID: StoreID, _ manifest: Manifest
  ) -> (checkpoint: RegistryCheckpoint, failure: StorageError?) {
    let path = FileNames.path(directory, FileNames.registry)
    guard disk.exists(path) else { return (RegistryCheckpoint(), nil) }
    let journalReader = JournalReader(disk: disk, directory: directory, storeID: storeID)
    do throws(StorageError) {
      let file = try disk.open(path, .read)
      defer { file.close() }
      var body: [UInt8] = []
      let contents = try Contents(reading: file, storeID, into: &body) { journals throws(StorageError) in
        if journals.lsn > manifest.sealedLSN { return false }
        let there = manifest.registryJournals(through: journals.lsn)
        var known = RegistryCheckpointFormat.Journals(
          there, through: journals.lsn, eventCount: journals.eventCount, newestCRC: journals.newestCRC)
        // Of a damaged one it cannot be told: what it said is here.
        if let newest = there.last, let crc = try journalReader.fingerprint(of: newest) { known.newestCRC = crc }
        guard known == journals else {
          throw StorageError(.corrupt, "a checkpoint of other journal segments", file: path)
        }
        return true
      }
      guard let contents else { return (RegistryCheckpoint(), nil) }
      return (try RegistryCheckpoint(contents, body), nil)
    } catch {
      // Derived: whatever is wrong with it, the journals tell the same.
      return (RegistryCheckpoint(), error.code == .notFound ? nil : error)
    }
  }

  /// Reads the file of a store, with nothing to compare it with; none is well.
  /// - Throws: `.corrupt`, `.truncated`, `.unsupportedVersion`, `.io`.
  package static func check(_ disk: any Disk, _ directory: String, _ storeID: StoreID) throws(StorageError) {
    let path = FileNames.path(directory, FileNames.registry)
    guard disk.exists(path) else { return }
    let file = try disk.open(path, .read)
    defer { file.close() }
    var body: [UInt8] = []
    _ = try Contents(reading: file, storeID, into: &body) { _ in true }
    _ = try Registry(checkpoint: body.rawSpan)
  }

  /// What a file holds beside the registry, with all its checks done.
  struct Contents {
    let journals: RegistryCheckpointFormat.Journals
    private(set) var clock = CommitClock()
    private(set) var chain: [ChainLink] = []
    let byteCount: Int

    /// - Parameters:
    ///   - body: gets the registry, as section 5 of FORMAT.md has it.
    ///   - isWanted: told for which journals it stands, before the rest is read.
    /// - Returns: nil when it is not wanted.
    /// - Throws: `.corrupt`, `.truncated`, `.unsupportedVersion`, `.io`, and what `isWanted` throws.
    init?(
      reading file: any DiskFile, _ storeID: StoreID, into body: inout [UInt8],
      _ isWanted: (RegistryCheckpointFormat.Journals) throws(StorageError) -> Bool
    ) throws(StorageError) {
      var found: [UInt8] = []
      try self.init(reading: file, storeID, isWanted) { part, left in
        // What is left of the file is the registry's, but for the end.
        if found.isEmpty { found.reserveCapacity(left) }
        found += part
        return true
      }
      body = found
    }

    /// - Parameter take: is given the registry part by part, with how many bytes at most are left; where it
    ///   returns false the file is not what it should be.
    init?(
      reading file: any DiskFile, _ storeID: StoreID,
      _ isWanted: (RegistryCheckpointFormat.Journals) throws(StorageError) -> Bool,
      _ take: (_ part: [UInt8], _ left: Int) -> Bool
    ) throws(StorageError) {
      byteCount = try file.byteCount()
      _ = try FileHeader(
        decoding: try file.bytes(0..<min(byteCount, FileHeader.byteCount)),
        magic: RegistryCheckpointFormat.magic, version: RegistryCheckpointFormat.version, store: storeID, id: 0)
      var offset = FileHeader.byteCount
      let first = try Self.chunk(file, &offset, byteCount)
      guard first.kind == .journals else { throw CheckpointChunk.failed(file, at: FileHeader.byteCount) }
      journals = try RegistryCheckpointFormat.Journals(decoding: first.payload)
      guard try isWanted(journals) else { return nil }
      var taken = 0
      var crc = RegistryCheckpointFormat.checksum(.journals, first.payload, continuing: 0)
      var before = first.kind
      while true {
        let at = offset
        let (kind, payload) = try Self.chunk(file, &offset, byteCount)
        let mayRepeat = kind == .clock || kind == .part
        guard kind.rawValue > before.rawValue || (mayRepeat && kind == before) else {
          throw CheckpointChunk.failed(file, at: at)
        }
        before = kind
        var reader = ByteReader(payload.rawSpan)
        switch kind {
        case .journals: throw CheckpointChunk.failed(file, at: at)
        case .clock:
          let part = try CommitClock(decoding: &reader)
          guard reader.isAtEnd, part.entries.first?.lsn ?? 0 > clock.entries.last?.lsn ?? 0,
            part.entries.last?.lsn ?? 0 <= journals.lsn
          else { throw CheckpointChunk.failed(file, at: at) }
          clock.append(part)
        case .chain:
          chain = try Self.links(&reader)
          guard chain.last?.lsns.upperBound ?? 0 <= journals.lsn else { throw CheckpointChunk.failed(file, at: at) }
        case .part:
          guard take(payload, byteCount - offset + payload.count) else {
            throw CheckpointChunk.failed(file, at: at)
          }
          taken += payload.count
        case .end:
          guard try reader.varint() == UInt64(taken), try reader.next(UInt32.self) == crc, reader.isAtEnd,
            offset == byteCount
          else {
            throw StorageError(.corrupt, "parts are missing", file: file.path, offset: offset)
          }
          return
        }
        crc = RegistryCheckpointFormat.checksum(kind, payload, continuing: crc)
      }
    }

    private static func chunk(
      _ file: any DiskFile, _ offset: inout Int, _ end: Int
    ) throws(StorageError) -> (kind: RegistryCheckpointFormat.Kind, payload: [UInt8]) {
      let (kind, payload) = try CheckpointChunk.read(file, at: offset, end)
      guard let known = RegistryCheckpointFormat.Kind(rawValue: kind) else {
        throw CheckpointChunk.failed(file, at: offset)
      }
      offset += CheckpointChunk.headerByteCount + payload.count
      return (known, payload)
    }

    private static func links(_ reader: inout ByteReader) throws(StorageError) -> [ChainLink] {
      var links: [ChainLink] = []
      while !reader.isAtEnd {
        let length = try reader.count(limit: reader.remaining)
        links.append(try ChainLink(decoding: try reader.take(length)))
      }
      return links
    }
  }
}
