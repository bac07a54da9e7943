/// Bytes of a store that fail their check, and what was, or may have been, in them.
package struct Loss: Sendable, Equatable {
  package var file: String
  package var bytes: Range<Int>
  /// At most these; nil when no LSN is lost.
  package var lsns: ClosedRange<LSN>?
  /// When they were committed, nanoseconds since the Unix epoch; nil when nothing tells.
  package var received: ClosedRange<Int64>?
  /// The instants of the readings; nil when nothing tells.
  package var readings: ClosedRange<Int64>?
  /// Whose readings, when all are of one device.
  package var device: String?

  package init(file: String, bytes: Range<Int>, lsns: ClosedRange<LSN>?) {
    self.file = file
    self.bytes = bytes
    self.lsns = lsns
  }

  package init(_ damage: Manifest.Damage) {
    self.init(
      file: damage.file, bytes: damage.offset..<(damage.offset + damage.byteCount),
      lsns: damage.firstLSN == 0 || damage.lastLSN < damage.firstLSN ? nil : damage.firstLSN...damage.lastLSN)
  }

  /// The same place in the same file, whatever folder it is named with.
  func isSame(as other: Loss) -> Bool {
    let name = file.split(separator: "/").last
    return name == other.file.split(separator: "/").last && bytes == other.bytes && lsns == other.lsns
  }

  /// The commit times of the LSNs, from the last commit known before them to the first one after.
  package mutating func tellTimes(_ clock: CommitClock) {
    guard let lsns, let first = clock.time(of: lsns.lowerBound) else { return }
    received = first...max(first, clock.time(of: lsns.upperBound == .max ? .max : lsns.upperBound + 1) ?? first)
  }
}

extension StorageError {
  /// Bytes that fail their check, or are not there.
  var isDamage: Bool { code == .corrupt || code == .truncated || code == .notFound }
}
