/// The registry as bytes, and its digest. Docs/FORMAT.md ("Registry checkpoint") is
/// normative.
///
///     u8 version · u64 byte count · canonical bytes · [u8; 32] their SHA-256 · connections
///
/// The file that holds it adds magic and checksum. A checkpoint is derived: one that fails a check
/// is dropped and the registry rebuilt from the log.
extension Registry {
  /// Any change of what an `apply` makes of an event or record raises it, though no byte of the form moves: a
  /// checkpoint holds what the `apply` of its day made, an opening takes it as it is, and `tsq verify` takes
  /// the difference for damage.
  package static let checkpointVersion: UInt8 = 1

  /// SHA-256 of the canonical bytes of all projections of events. Equal registries, and only
  /// they, have equal digests, whether replayed from the first event or from any checkpoint.
  /// - Complexity: O(n log n) in all entries.
  package var digest: [UInt8] { SHA256.hash(canonicalBytes) }

  /// - Complexity: O(n log n) in the entries that changed since a checkpoint was read, O(n) in the others.
  package func checkpoint() -> [UInt8] {
    var writer = ByteWriter(reserving: 1024 + reservedByteCount)
    writer.put(Self.checkpointVersion)
    writer.put(UInt64(0))
    let start = writer.count
    encodeCanonical(into: &writer)
    writer.patch(UInt64(writer.count - start), at: start - 8)
    writer.append(SHA256.hash(writer.bytes.rawSpan.extracting(start..<writer.count)))
    connections.encode(into: &writer)
    return writer.bytes
  }

  private var canonicalBytes: [UInt8] {
    var writer = ByteWriter(reserving: reservedByteCount)
    encodeCanonical(into: &writer)
    return writer.bytes
  }

  private var reservedByteCount: Int { 256 + devices.count * 128 }

  private func encodeCanonical(into writer: inout ByteWriter) {
    writer.varint(lastEventLSN)
    writer.put(lastRecordedAt)
    devices.encode(into: &writer)
    users.encode(into: &writer)
    associations.encode(into: &writer)
    codes.encode(into: &writer)
    attempts.encode(into: &writer)
    announcements.encode(into: &writer)
    tokens.encode(into: &writer)
    types.encode(into: &writer)
    // Those that came later, up to the last that holds something: the digest of an older log stays what it was.
    let younger: [(projection: any Checkpointed, isEmpty: Bool)] = [
      (lifecycles, lifecycles.isEmpty), (rollups, rollups.isEmpty), (credentials, credentials.isEmpty),
    ]
    let end = younger.lastIndex { !$0.isEmpty }.map { $0 + 1 } ?? 0
    for (projection, _) in younger[..<end] { projection.encode(into: &writer) }
  }

  /// - Parameter isChecked: other checksums of the bytes hold; the digest is not computed.
  /// - Throws: `.corrupt`, `.truncated`, `.unsupportedVersion`.
  package init(checkpoint bytes: RawSpan, isChecked: Bool = false) throws(StorageError) {
    var reader = ByteReader(bytes)
    let version = try reader.next(UInt8.self)
    guard version == Self.checkpointVersion else {
      throw StorageError(.unsupportedVersion, "registry checkpoint version \(version)", offset: 0)
    }
    guard let byteCount = Int(exactly: try reader.next(UInt64.self)) else {
      throw StorageError(.corrupt, "byte count of the registry checkpoint", offset: 1)
    }
    let canonical = try reader.take(byteCount)
    let digest = try reader.take(32)
    var expected = ByteWriter(reserving: 32)
    expected.append(digest)
    guard isChecked || SHA256.hash(canonical) == expected.bytes else {
      throw StorageError(.corrupt, "registry checkpoint does not match its digest", offset: 9)
    }
    self.init()
    try decode(canonical)
    try decodeConnections(from: &reader)
    guard reader.isAtEnd else {
      throw StorageError(.corrupt, "bytes after the registry checkpoint", offset: reader.offset)
    }
  }

  private mutating func decode(_ canonical: RawSpan) throws(StorageError) {
    var reader = ByteReader(canonical)
    let lsn = try reader.varint()
    let recordedAt = try reader.next(Int64.self)
    try decodeProjections(from: &reader)
    setPosition(lsn: lsn, recordedAt: recordedAt)
    guard reader.isAtEnd else {
      throw StorageError(.corrupt, "bytes after the projections", offset: reader.offset)
    }
  }
}
