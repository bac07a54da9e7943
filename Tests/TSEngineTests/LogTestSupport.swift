import Testing

@testable import TSEngine

/// A store folder on a simulated disk and the few steps every log test takes.
struct LogBench {
  static let store = "s"
  static let id = StoreID(high: 0x0102_0304_0506_0708, low: 0x1112_1314_1516_1718)
  var disk: SimDisk
  let clock = SimClock()

  init(disk: SimDisk = SimDisk()) throws {
    self.disk = disk
    if !disk.exists(Self.store) {
      try disk.createDirectory(Self.store)
      try disk.syncDirectory("")
    }
  }

  /// A log of 4 KiB steps without zeros ahead, unless said otherwise.
  func open(ahead: Int = 0, nextLSN: LSN = 1, durable: LSN = 0) throws -> Opened {
    try Self.open(disk, clock, ahead: ahead, nextLSN: nextLSN, durable: durable)
  }

  struct Opened {
    var writer: LogWriter
    var outcome: LogRepair.Outcome
    /// LSN and body of each frame, in order.
    var records: [Record]
  }

  struct Record: Equatable {
    var lsn: LSN
    var body: [UInt8]
  }

  static func open(
    _ disk: SimDisk, _ clock: SimClock, ahead: Int, nextLSN: LSN = 1, durable: LSN = 0
  ) throws(StorageError) -> Opened {
    let (outcome, records) = try repair(disk, durable: durable)
    var options = LogWriter.Options()
    options.preallocatedByteCount = ahead
    let writer = try LogWriter(
      disk, clock: clock, store: store, storeID: id, after: outcome.scan, nextLSN: nextLSN,
      options: options)
    return Opened(writer: writer, outcome: outcome, records: records)
  }

  static func repair(
    _ disk: SimDisk, durable: LSN = 0
  ) throws(StorageError) -> (LogRepair.Outcome, [Record]) {
    var records: [Record] = []
    let outcome = try LogRepair(disk, store: store, storeID: id).run(durableLogLSN: durable) {
      (info, payload) throws(StorageError) in
      try collect(info, payload, &records)
    }
    return (outcome, records)
  }

  static func scan(_ disk: SimDisk) throws(StorageError) -> (LogScan, [Record]) {
    var records: [Record] = []
    let scan = try LogReader(disk, store: store, storeID: id).scan {
      (info, payload) throws(StorageError) in
      try collect(info, payload, &records)
    }
    return (scan, records)
  }

  static func collect(
    _ info: LogBatchInfo, _ payload: RawSpan, _ records: inout [Record]
  ) throws(StorageError) {
    var cursor = RecordCursor(payload, header: info.header)
    while let record = try cursor.next() {
      if record.kind == .frame { records.append(Record(lsn: record.lsn, body: record.body.bytes)) }
    }
  }

  static func segment(_ id: UInt64) -> String { "\(store)/log/\(FileNames.logSegment(id))" }
}

extension RawSpan {
  var bytes: [UInt8] { (0..<byteCount).map { unsafeLoad(fromByteOffset: $0, as: UInt8.self) } }
}

extension LogBatchBuilder {
  /// A batch of frames with these bodies.
  static func frames(_ bodies: [UInt8]...) -> LogBatchBuilder {
    var batch = LogBatchBuilder(reserving: 64)
    for body in bodies { batch.add(.frame, body) }
    return batch
  }
}

extension LogWriter {
  /// Appends one frame and syncs; returns its LSN.
  @discardableResult
  func commit(_ body: [UInt8]) throws(StorageError) -> LSN {
    var batch = LogBatchBuilder.frames(body)
    let appended = try append(&batch)
    try sync()
    return appended.firstLSN
  }
}
