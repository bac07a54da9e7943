/// The state of one pass over the log: what is expected next, and what was found.
///
/// At the first bad batch X of the last segment the question is whether X was acknowledged:
/// - a later good batch header whose durable sectors reach past X says yes (the next batch under
///   load, or the idle seal that follows the last batch within 50 ms);
/// - so does an LSN that other files know to be durable, and so does a sector the disk refuses;
/// - else X is *torn*: written, never synced, hence never acknowledged.
/// In any segment but the last, everything was synced before its successor was made. Behind damage
/// in the same segment nothing is called torn: cutting it off could take away the witness.
/// Padding of a whole last batch that is not zero is torn or damaged by the same rules.
/// Undecidable is a fault in the very last batch, with no seal behind it.
struct LogPass: Sendable {
  var scan = LogScan()
  private let storeID: StoreID
  private let directory: String
  private let durableLogLSN: LSN
  /// CRC the next batch must name; nil behind damage that hides it.
  private var chain: UInt32?
  private var previousSegmentID: UInt64?
  /// Of the batch before, within the segment.
  private var batchEpoch: UInt32 = 0
  /// Batches of this segment were found damaged.
  private var isSegmentDamaged = false
  /// A batch of the last segment whose padding is not zero: torn with its write, unless something
  /// says that this write was durable.
  private var loosePadding: (info: LogBatchInfo, bytes: Range<Int>)?
  /// The first segment's header is damaged: which LSN the log starts with is not known yet.
  private var isStartUnknown = false

  init(storeID: StoreID, directory: String, durableLogLSN: LSN) {
    self.storeID = storeID
    self.directory = directory
    self.durableLogLSN = durableLogLSN
  }

  /// Reads one segment; `next` is the one after it, nil for the last.
  mutating func read(
    _ head: SegmentHead, _ file: any DiskFile, next: SegmentHead?,
    _ onBatch: (LogBatchInfo, RawSpan) throws(StorageError) -> Void
  ) throws(StorageError) {
    enter(head)
    var window = try SegmentWindow(file)
    let place = LogBatchHeader.Place(storeID: storeID, segmentID: head.id)
    var offset = min(LogFormat.SegmentHeader.byteCount, window.byteCount)
    scan.segments.append(
      LogSegmentInfo(
        id: head.id, byteCount: window.byteCount, firstLSN: scan.nextLSN, nextLSN: scan.nextLSN))
    scan.end = LogPosition(segmentID: head.id, offset: offset)
    scan.tail = .clean
    while offset < window.byteCount {
      let probe = try probe(&window, head.id, place, offset)
      if case .good(let info, let end) = probe {
        let payload = offset + LogFormat.BatchHeader.byteCount
        let range = payload..<(payload + info.header.payloadByteCount)
        reportLoosePadding()
        try accept(info, window.bytes(range))
        try onBatch(info, window.bytes(range))
        if !window.bytes(range.upperBound..<end).isZero { loosePadding = (info, range.upperBound..<end) }
        offset = end
        scan.tail = .clean
        scan.end = LogPosition(segmentID: head.id, offset: offset)
        continue
      }
      if case .absent = probe, try window.isZero(from: offset) { break }
      guard
        let resumed = try judge(probe, &window, head.id, place, offset, isLast: next == nil, next)
      else { break }
      offset = resumed
    }
    try settlePadding(&window, head.id, place, isLast: next == nil)
    finish(head, byteCount: window.byteCount, next: next)
  }

  // MARK: Segment bounds

  private mutating func enter(_ head: SegmentHead) {
    let isFirst = previousSegmentID == nil
    let expected = scan.nextLSN
    if let previous = previousSegmentID, head.id != previous + 1 {
      var lost: ClosedRange<LSN>?
      if let first = head.header?.firstLSN, first > expected { lost = expected...(first - 1) }
      report(.missingSegment, previous + 1, 0..<0, lost)
      chain = nil
    }
    previousSegmentID = head.id
    batchEpoch = 0
    isSegmentDamaged = false
    if head.isUnreadable { scan.unreadableHead = FileNames.path(directory, FileNames.logSegment(head.id)) }
    guard let header = head.header else {
      isSegmentDamaged = true
      isStartUnknown = isFirst
      report(.segmentHeader, head.id, 0..<LogFormat.SegmentHeader.byteCount, nil)
      chain = nil
      return
    }
    scan.epoch = max(scan.epoch, header.epoch)
    batchEpoch = header.epoch
    if isFirst {
      scan.nextLSN = max(1, header.firstLSN)
    } else if header.firstLSN > scan.nextLSN {
      // Losses were reported at the end of the segment before and moved `nextLSN` up.
      if chain != nil {
        let position = LogPosition(segmentID: head.id, offset: 0)
        let skipped = scan.nextLSN...(header.firstLSN - 1)
        scan.jumps.append(LSNJump(position: position, skipped: skipped))
      }
      scan.nextLSN = header.firstLSN
    }
    chain = head.crc
  }

  private mutating func finish(_ head: SegmentHead, byteCount: Int, next: SegmentHead?) {
    let last = scan.segments.count - 1
    let end = scan.end?.offset ?? byteCount
    let expected = scan.nextLSN
    if let next {
      let isConsecutive = next.id == head.id + 1
      if isConsecutive, let header = next.header, let chain, header.previousCRC != chain {
        let lost = header.firstLSN > expected ? expected...(header.firstLSN - 1) : nil
        report(.missingTail, head.id, end..<byteCount, lost)
        if let lost { scan.nextLSN = lost.upperBound + 1 }
      }
    } else if scan.tail == .clean, durableLogLSN >= expected {
      report(.missingTail, head.id, end..<end, expected...durableLogLSN)
      scan.nextLSN = durableLogLSN + 1
    }
    scan.segments[last].nextLSN = scan.nextLSN
    if let chain { scan.chainCRC = chain }
  }

  // MARK: Batches

  private enum Probe {
    case good(LogBatchInfo, end: Int)
    /// No batch header here: zeros, or fewer bytes than a header.
    case absent
    case badHeader
    /// The header holds and says where the batch ends; the rest does not hold.
    case bad(LogBatchInfo, DamagedRange.Reason)
  }

  private func probe(
    _ window: inout SegmentWindow, _ id: UInt64, _ place: LogBatchHeader.Place, _ offset: Int
  ) throws(StorageError) -> Probe {
    guard let info = try header(&window, id, place, offset) else {
      let range = offset..<min(window.byteCount, offset + LogFormat.BatchHeader.byteCount)
      try window.load(range)
      return window.bytes(range).isZero ? .absent : .badHeader
    }
    let start = offset + LogFormat.BatchHeader.byteCount
    let payload = start..<(start + info.header.payloadByteCount)
    guard payload.upperBound <= window.byteCount else { return .bad(info, .payload) }
    let end = min(LogFormat.sectorCeiling(payload.upperBound), window.byteCount)
    try window.load(offset..<end)
    guard CRC32C.checksum(window.bytes(payload)) == info.header.payloadCRC || Planted.has(.payloadUnchecked) else {
      return .bad(info, .payload)
    }
    guard info.header.firstLSN >= scan.nextLSN, info.header.epoch >= batchEpoch,
      chain == nil || chain == info.header.previousCRC
    else { return .bad(info, .order) }
    return .good(info, end: end)
  }

  private func header(
    _ window: inout SegmentWindow, _ id: UInt64, _ place: LogBatchHeader.Place, _ offset: Int
  ) throws(StorageError) -> LogBatchInfo? {
    let range = offset..<(offset + LogFormat.BatchHeader.byteCount)
    guard range.upperBound <= window.byteCount else { return nil }
    try window.load(range)
    guard
      let found = LogBatchHeader.decode(
        window.bytes(range), place: place, segmentID: id, offset: offset)
    else { return nil }
    return LogBatchInfo(
      position: LogPosition(segmentID: id, offset: offset), header: found.header, crc: found.crc)
  }

  private mutating func accept(_ info: LogBatchInfo, _ payload: RawSpan) throws(StorageError) {
    let header = info.header
    let last = scan.segments.count - 1
    if isStartUnknown {
      scan.segments[last].firstLSN = header.firstLSN
    } else if header.firstLSN > scan.nextLSN {
      let skipped = scan.nextLSN...(header.firstLSN - 1)
      if chain == nil {
        let offset = info.position.offset
        report(.missingTail, info.position.segmentID, offset..<offset, skipped)
      } else {
        scan.jumps.append(LSNJump(position: info.position, skipped: skipped))
      }
    }
    isStartUnknown = false
    follow(info)
    if scan.segments[last].batchCount == 0 {
      scan.segments[last].firstCommitNanos = header.commitNanos
    }
    scan.segments[last].batchCount += 1
    scan.segments[last].lastCommitNanos = header.commitNanos
    scan.lastCommitNanos = max(scan.lastCommitNanos, header.commitNanos)
    // Gaps stand in batches without LSNs only, so that others need not be walked here.
    guard header.lsnCount == 0 else { return }
    var cursor = RecordCursor(payload, header: header)
    while let record = try cursor.next() {
      if record.kind == .gap { scan.burned.append(try LogGap(decoding: record.body).lsns) }
    }
  }

  /// Goes on behind a batch whose header is to be believed.
  private mutating func follow(_ info: LogBatchInfo) {
    scan.nextLSN = info.header.nextLSN
    scan.epoch = max(scan.epoch, info.header.epoch)
    scan.witnessedLSN = max(scan.witnessedLSN, info.header.durableLSN)
    batchEpoch = info.header.epoch
    chain = info.crc
  }

  // MARK: Padding

  private mutating func reportLoosePadding() {
    guard let (info, bytes) = loosePadding else { return }
    loosePadding = nil
    report(.padding, info.position.segmentID, bytes, nil)
  }

  /// Decides about the padding of the last batch. When it is torn the batch counts, as it is whole,
  /// and the tail begins behind its payload.
  private mutating func settlePadding(
    _ window: inout SegmentWindow, _ id: UInt64, _ place: LogBatchHeader.Place, isLast: Bool
  ) throws(StorageError) {
    guard let (info, bytes) = loosePadding else { return }
    let isUnreadable = window.unreadable.contains { $0.overlaps(bytes) }
    guard isLast, !isSegmentDamaged, !isUnreadable, durableLogLSN < info.header.firstLSN,
      !(try look(&window, id, place, from: info.end, past: info.position.offset).isWitnessed)
    else { return reportLoosePadding() }
    loosePadding = nil
    scan.tail = .torn(offset: bytes.lowerBound)
    scan.end = LogPosition(segmentID: id, offset: bytes.lowerBound)
  }

  // MARK: Torn or damaged

  /// Decides about the bad bytes at `offset`; returns where to go on, or nil to end the segment.
  private mutating func judge(
    _ probe: Probe, _ window: inout SegmentWindow, _ id: UInt64, _ place: LogBatchHeader.Place,
    _ offset: Int, isLast: Bool, _ next: SegmentHead?
  ) throws(StorageError) -> Int? {
    var (search, known): (Int, LogBatchInfo?) = (offset + LogFormat.sectorByteCount, nil)
    if case .bad(let info, _) = probe {
      known = info
      // The header is whole, so its length is: nothing inside the payload is taken for a batch.
      search = min(window.byteCount, info.end)
    }
    let rest = try look(&window, id, place, from: search, past: offset)
    let isUnreadable = window.unreadable.contains { $0.upperBound > offset }
    guard
      !isLast || rest.isWitnessed || isUnreadable || isSegmentDamaged
        || durableLogLSN >= scan.nextLSN || Planted.has(.tornTakenForDamage),
      !Planted.has(.damageTruncated)
    else {
      scan.tail = .torn(offset: offset)
      return nil
    }
    isSegmentDamaged = true
    scan.tail = .damaged
    if let known, case .bad(_, let reason) = probe {
      passBy(known, reason, bytes: offset..<min(window.byteCount, known.end))
      return min(window.byteCount, known.end)
    }
    let end = rest.resume?.position.offset ?? window.byteCount
    let after: LSN
    if let resume = rest.resume {
      after = resume.header.firstLSN
    } else if let next {
      after = next.header?.firstLSN ?? scan.nextLSN
    } else {
      // Nothing says how many LSNs lie here; a record has two bytes at least.
      let most = scan.nextLSN &+ UInt64((end - offset) / 2)
      after = max(most, max(rest.durableLSN, durableLogLSN) &+ 1)
    }
    let lsns = after > scan.nextLSN ? scan.nextLSN...(after - 1) : nil
    report(.batchHeader, id, offset..<end, lsns)
    scan.nextLSN = max(scan.nextLSN, after)
    if rest.resume != nil || !isLast { chain = nil }
    return end
  }

  /// Leaves out a batch whose header holds.
  private mutating func passBy(
    _ info: LogBatchInfo, _ reason: DamagedRange.Reason, bytes: Range<Int>
  ) {
    if info.header.firstLSN >= scan.nextLSN {
      report(reason, info.position.segmentID, bytes, info.header.lsns)
      follow(info)
    } else {
      // Out of order: nothing it says about LSNs is new.
      report(reason, info.position.segmentID, bytes, nil)
      chain = nil
    }
  }

  private struct Rest {
    /// The first later batch with a good header that may follow.
    var resume: LogBatchInfo?
    var isWitnessed = false
    var durableLSN: LSN = 0
  }

  /// Looks at every sector from `start` on for batch headers that hold.
  private func look(
    _ window: inout SegmentWindow, _ id: UInt64, _ place: LogBatchHeader.Place, from start: Int,
    past offset: Int
  ) throws(StorageError) -> Rest {
    var rest = Rest()
    var at = start
    while at < window.byteCount {
      if let info = try header(&window, id, place, at) {
        if rest.resume == nil, info.header.firstLSN >= scan.nextLSN { rest.resume = info }
        if Int(info.header.durableSectors) * LogFormat.sectorByteCount > offset {
          rest.isWitnessed = true
          rest.durableLSN = max(rest.durableLSN, info.header.durableLSN)
        }
      }
      at += LogFormat.sectorByteCount
    }
    return rest
  }

  private mutating func report(
    _ reason: DamagedRange.Reason, _ id: UInt64, _ bytes: Range<Int>, _ lsns: ClosedRange<LSN>?
  ) {
    scan.damaged.append(
      DamagedRange(
        reason: reason, file: FileNames.path(directory, FileNames.logSegment(id)), segmentID: id,
        bytes: bytes, lsns: lsns))
  }
}

extension LogBatchHeader {
  /// The LSNs of the batch; nil when it has none.
  package var lsns: ClosedRange<LSN>? { lsnCount == 0 ? nil : firstLSN...(nextLSN - 1) }
}

extension LogBatchInfo {
  /// Where the next batch begins.
  package var end: Int {
    LogFormat.sectorCeiling(
      position.offset + LogFormat.BatchHeader.byteCount + header.payloadByteCount)
  }
}
