/// That one reading, or one event, was in the log when its stretch was sealed: the leaf with it, the
/// way from there to the root, and the chain's head over that root. Whoever has the head from
/// elsewhere needs nothing more; Scripts/check-proof.py checks one.
package struct Proof: Sendable, Equatable {
  package var store: StoreID
  package var leaf: [UInt8]
  /// Of the leaf in its tree.
  package var index: UInt64
  package var path: [Digest]
  package var link: ChainLink

  package var head: Digest { link.head(store) }

  /// Whether the leaf leads to the root of the link.
  package var holds: Bool {
    MerkleTree.root(
      from: MerkleTree.leaf(leaf), index: index, count: link.leafCount, path: path) == link.root
  }

  /// One line: an object with its keys in order, no spaces, hashes and bytes in base 64. There is
  /// one spelling of a proof, so that no byte of it can be changed unseen.
  package var json: String {
    var json = JSONText()
    json.add("count", link.leafCount)
    json.add("first_lsn", link.lsns.lowerBound)
    json.add("format", "tsq-proof-1")
    json.add("head", Base64.text(head.bytes))
    json.add("index", index)
    json.add("last_lsn", link.lsns.upperBound)
    json.add("leaf", Base64.text(leaf))
    json.add("path", raw: "[" + path.map { "\"\(Base64.text($0.bytes))\"" }.joined(separator: ",") + "]")
    json.add("previous", Base64.text(link.previous.bytes))
    var id = ByteWriter(reserving: 16)
    id.put(store.high)
    id.put(store.low)
    json.add("store", Base64.text(id.bytes))
    return json.closed
  }
}

/// RFC 4648, section 4, with padding.
package enum Base64 {
  private static let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

  package static func text(_ bytes: [UInt8]) -> String {
    var out: [UInt8] = []
    out.reserveCapacity((bytes.count + 2) / 3 * 4)
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let part = bytes[start..<min(start + 3, bytes.count)]
      var word = 0
      for offset in 0..<3 { word = word << 8 | (offset < part.count ? Int(part[start + offset]) : 0) }
      for place in 0..<4 {
        out.append(place <= part.count ? digits[word >> (18 - 6 * place) & 63] : UInt8(ascii: "="))
      }
    }
    return String(decoding: out, as: UTF8.self)
  }
}
