/// Writes the registry checkpoint in steps, beside everything else: the registry becomes bytes in the
/// first one, each further step writes a part of them.
struct RegistryCheckpointJob: Sendable {
  let journals: RegistryCheckpointFormat.Journals
  private let storeID: StoreID
  private let body: [UInt8]
  private var nextByte = 0
  private var file: CheckpointFile

  var byteCount: Int { file.byteCount }

  /// - Parameters:
  ///   - sealed: as `covered`, all journal segments of events up to its LSN, give it.
  ///   - newestCRC: the fingerprint of the last of them.
  ///   - clock: may go on behind that LSN, as `chain` may.
  /// - Throws: `.io`, `.diskFull`; no file is left then.
  init(
    _ sealed: SealedRegistry, _ covered: [Manifest.JournalSegment], newestCRC: UInt32, clock: CommitClock,
    chain: [ChainLink], _ disk: any Disk, directory: String, storeID: StoreID
  ) throws(StorageError) {
    self.storeID = storeID
    journals = RegistryCheckpointFormat.Journals(
      covered, through: sealed.lsn, eventCount: sealed.eventCount, newestCRC: newestCRC)
    body = sealed.registry.checkpoint()
    file = try CheckpointFile(
      disk, directory, FileNames.registry,
      FileHeader(
        magic: RegistryCheckpointFormat.magic, version: RegistryCheckpointFormat.version, store: storeID,
        id: 0, table: 0))
    try write(.journals, journals.encoded())
    var out = ByteWriter()
    if sealed.lsn > 0 { clock.slice(1...sealed.lsn).encode(into: &out) } else { CommitClock().encode(into: &out) }
    try write(.clock, out.bytes)
    out = ByteWriter()
    for link in chain where link.lsns.upperBound <= sealed.lsn {
      let bytes = link.encoded()
      out.varint(bytes.count)
      out.append(bytes)
    }
    try write(.chain, out.bytes)
  }

  /// Writes one part, or ends the file: durable, read back, and in its place.
  /// - Returns: whether it is done.
  /// - Throws: `.io`, `.diskFull`, `.corrupt`; no unfinished file is left then.
  mutating func step() throws(StorageError) -> Bool {
    if nextByte < body.count {
      let end = min(nextByte + RegistryCheckpointFormat.partByteCount, body.count)
      try write(.part, [UInt8](body[nextByte..<end]))
      nextByte = end
      return false
    }
    var end = ByteWriter()
    end.varint(body.count)
    try write(.end, end.bytes)
    let (storeID, journals, body) = (storeID, journals, body)
    try file.finish { file throws(StorageError) in
      // Part by part: a second copy of the registry's bytes would be the most of what this takes.
      var offset = 0
      let found = try RegistryCheckpoint.Contents(reading: file, storeID, { _ in true }) { part, _ in
        defer { offset += part.count }
        return body[offset...].starts(with: part)
      }
      return found?.journals == journals && offset == body.count
    }
    return true
  }

  func abandon() { file.abandon() }

  private mutating func write(
    _ kind: RegistryCheckpointFormat.Kind, _ payload: [UInt8]
  ) throws(StorageError) {
    try file.write(kind.rawValue, payload)
  }
}
