/// When each LSN was committed: the source of `received_at` and of `AS KNOWN AT`. Times never run
/// backwards. Entries closer than a millisecond to the one before are left out, so the clock of a
/// busy store stays sparse.
package struct CommitClock: Sendable, Equatable {
  package struct Entry: Sendable, Equatable {
    /// The first LSN committed at `time`.
    package var lsn: LSN
    package var time: Int64
  }

  private static let resolutionNanos: Int64 = 1_000_000

  package private(set) var entries: [Entry] = []

  package init() {}

  /// A batch that starts at `lsn` was committed at `time`.
  /// - Precondition: LSNs rise.
  package mutating func record(_ lsn: LSN, at time: Int64) {
    guard let last = entries.last else {
      entries.append(Entry(lsn: lsn, time: time))
      return
    }
    precondition(lsn > last.lsn, "commit clock out of order")
    if time >= last.time &+ Self.resolutionNanos { entries.append(Entry(lsn: lsn, time: time)) }
  }

  /// As `record`, in any order of LSNs: bulk appends are found in the manifest, not in the log.
  package mutating func insert(_ lsn: LSN, at time: Int64) {
    if lsn > entries.last?.lsn ?? 0 {
      record(lsn, at: time)
      return
    }
    let index = partition { $0.lsn <= lsn }
    if index > 0, entries[index - 1].lsn == lsn { return }
    entries.insert(Entry(lsn: lsn, time: time), at: index)
  }

  /// Commit time of `lsn` to the millisecond, or nil when it precedes the first entry. O(log n).
  package func time(of lsn: LSN) -> Int64? {
    let index = partition { $0.lsn <= lsn }
    return index == 0 ? nil : entries[index - 1].time
  }

  /// The last LSN committed at or before `time`; 0 when there is none. O(log n).
  package func newestLSN(at time: Int64) -> LSN {
    let index = partition { $0.time <= time }
    if index == 0 { return 0 }
    return index < entries.count ? entries[index].lsn - 1 : .max
  }

  package mutating func append(_ later: CommitClock) {
    for entry in later.entries where entry.lsn > (entries.last?.lsn ?? 0) { entries.append(entry) }
  }

  /// The entries that tell the times of `range`.
  package func slice(_ range: ClosedRange<LSN>) -> CommitClock {
    var slice = CommitClock()
    let start = max(0, partition { $0.lsn <= range.lowerBound } - 1)
    let end = partition { $0.lsn <= range.upperBound }
    if start < end { slice.entries = Array(entries[start..<end]) }
    return slice
  }

  /// At most `limit` entries of `lsns`, the first ones. O(log n + limit).
  func slice(_ lsns: ClosedRange<LSN>, limit: Int) -> CommitClock {
    var slice = CommitClock()
    let start = partition { $0.lsn < lsns.lowerBound }
    let end = min(partition { $0.lsn <= lsns.upperBound }, start + limit)
    if start < end { slice.entries = Array(entries[start..<end]) }
    return slice
  }

  private func partition(_ holds: (Entry) -> Bool) -> Int {
    var (low, high) = (0, entries.count)
    while low < high {
      let middle = (low + high) / 2
      if holds(entries[middle]) { low = middle + 1 } else { high = middle }
    }
    return low
  }

  package func encode(into out: inout ByteWriter) {
    out.varint(entries.count)
    var before = Entry(lsn: 0, time: 0)
    for entry in entries {
      out.varint(entry.lsn - before.lsn)
      out.varint(UInt64(bitPattern: entry.time &- before.time))
      before = entry
    }
  }

  package init(decoding reader: inout ByteReader) throws(StorageError) {
    var entry = Entry(lsn: 0, time: 0)
    for _ in 0..<(try reader.count(limit: reader.remaining)) {
      let step = try reader.varint()
      let (lsn, overflow) = entry.lsn.addingReportingOverflow(step)
      guard !overflow, step > 0 else {
        throw StorageError(.corrupt, "commit clock out of order", offset: reader.offset)
      }
      entry.lsn = lsn
      entry.time = entry.time &+ Int64(bitPattern: try reader.varint())
      entries.append(entry)
    }
  }
}
