/// The Merkle root over one sealed stretch of the log, tied to the links before it. Whoever keeps
/// the head of a chain can tell later whether anything up to it was altered.
package struct ChainLink: Sendable, Equatable {
  /// The LSNs it covers: those after the link before, through the last one sealed with it.
  package var lsns: ClosedRange<LSN>
  package var leafCount: UInt64
  package var root: Digest
  /// Head of the chain before this link; zeros for the first.
  package var previous: Digest

  package init(
    lsns: ClosedRange<LSN>, leafCount: UInt64, root: Digest, previous: Digest
  ) {
    self.lsns = lsns
    self.leafCount = leafCount
    self.root = root
    self.previous = previous
  }

  /// The head of the chain with this link.
  package func head(_ store: StoreID) -> Digest {
    var out = ByteWriter(reserving: 128)
    out.put(ProofFormat.headPrefix)
    out.put(store.high)
    out.put(store.low)
    out.put(previous)
    out.put(lsns.lowerBound)
    out.put(lsns.upperBound)
    out.put(leafCount)
    out.put(root)
    return Digest(SHA256.hash(out.bytes))
  }

  /// For a list of heads to keep elsewhere. Hashes in base 64, as in proofs.
  package func json(_ store: StoreID) -> String {
    var json = JSONText()
    json.add("first_lsn", lsns.lowerBound)
    json.add("last_lsn", lsns.upperBound)
    json.add("count", leafCount)
    json.add("root", Base64.text(root.bytes))
    json.add("previous", Base64.text(previous.bytes))
    json.add("head", Base64.text(head(store).bytes))
    return json.closed
  }

  /// The body of a chain link's record in a journal segment.
  func encoded() -> [UInt8] {
    var out = ByteWriter(reserving: 96)
    out.put(ProofFormat.linkVersion)
    out.varint(lsns.lowerBound)
    out.varint(lsns.upperBound)
    out.varint(leafCount)
    out.put(root)
    out.put(previous)
    return out.bytes
  }

  /// - Throws: `.corrupt`, `.truncated`, `.unsupportedVersion`.
  init(decoding bytes: RawSpan) throws(StorageError) {
    var reader = ByteReader(bytes)
    guard try reader.next(UInt8.self) == ProofFormat.linkVersion else {
      throw StorageError(.unsupportedVersion, "chain link of an unknown version")
    }
    let first = try reader.varint()
    let last = try reader.varint()
    guard first > 0, first <= last else { throw StorageError(.corrupt, "chain link out of order") }
    lsns = first...last
    leafCount = try reader.varint()
    root = try Digest(from: &reader)
    previous = try Digest(from: &reader)
    guard reader.isAtEnd else { throw StorageError(.corrupt, "chain link too long") }
  }
}
