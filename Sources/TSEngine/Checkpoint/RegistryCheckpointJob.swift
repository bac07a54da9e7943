/// Writes the registry checkpoint in steps, beside everything else: the registry becomes bytes in the
/// first one, each further step writes a part of them.
struct RegistryCheckpointJob: Sendable {
  let journals: RegistryCheckpointFormat.Journals
  private let storeID: StoreID
  private let body: [UInt8]
  private let chain: [ChainLink]
  private let clock: ClockPart
  /// Nil behind the clock's last part.
  private var clockLSN: LSN? = 1
  private var nextByte = 0
  /// Of kinds and payloads so far.
  private var crc: UInt32 = 0
  private var file: CheckpointFile

  /// Entries of the commit clock in a range of LSNs, the first ones up to a limit: the clock grows as long as the
  /// store lives, so nothing holds a copy of all of it.
  typealias ClockPart = @Sendable (_ lsns: ClosedRange<LSN>, _ limit: Int) -> CommitClock

  var byteCount: Int { file.byteCount }

  /// - Parameters:
  ///   - sealed: as `covered`, all journal segments of events up to its LSN, give it.
  ///   - newestCRC: the fingerprint of the last of them.
  ///   - chain: may go on behind that LSN, as `clock` may.
  /// - Throws: `.io`, `.diskFull`; no file is left then.
  init(
    _ sealed: SealedRegistry, _ covered: [Manifest.JournalSegment], newestCRC: UInt32,
    clock: @escaping ClockPart, chain: [ChainLink], _ disk: any Disk, directory: String, storeID: StoreID
  ) throws(StorageError) {
    self.storeID = storeID
    self.clock = clock
    self.chain = chain.filter { $0.lsns.upperBound <= sealed.lsn }
    journals = RegistryCheckpointFormat.Journals(
      covered, through: sealed.lsn, eventCount: sealed.eventCount, newestCRC: newestCRC)
    body = sealed.registry.checkpoint()
    file = try CheckpointFile(
      disk, directory, FileNames.registry,
      FileHeader(
        magic: RegistryCheckpointFormat.magic, version: RegistryCheckpointFormat.version, store: storeID,
        id: 0, table: 0))
    try write(.journals, journals.encoded())
  }

  /// Writes one part, or ends the file: durable, read back, and in its place.
  /// - Returns: whether it is done.
  /// - Throws: `.io`, `.diskFull`, `.corrupt`; no unfinished file is left then.
  mutating func step() throws(StorageError) -> Bool {
    if try stepClock() { return false }
    if nextByte < body.count {
      let end = min(nextByte + RegistryCheckpointFormat.partByteCount, body.count)
      try write(.part, [UInt8](body[nextByte..<end]))
      nextByte = end
      return false
    }
    var end = ByteWriter()
    end.varint(body.count)
    end.put(crc)
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

  /// Writes a part of the clock, or the chain behind its last one; false when both are written.
  private mutating func stepClock() throws(StorageError) -> Bool {
    guard let first = clockLSN else { return false }
    let part = first <= journals.lsn ? clock(first...journals.lsn, RegistryCheckpointFormat.clockPartCount) : CommitClock()
    var out = ByteWriter()
    if let last = part.entries.last {
      clockLSN = last.lsn + 1
      part.encode(into: &out)
      try write(.clock, out.bytes)
      return true
    }
    clockLSN = nil
    for link in chain {
      let bytes = link.encoded()
      out.varint(bytes.count)
      out.append(bytes)
    }
    try write(.chain, out.bytes)
    return true
  }

  func abandon() { file.abandon() }

  private mutating func write(
    _ kind: RegistryCheckpointFormat.Kind, _ payload: [UInt8]
  ) throws(StorageError) {
    crc = RegistryCheckpointFormat.checksum(kind, payload, continuing: crc)
    try file.write(kind.rawValue, payload)
  }
}
