/// Applies the unsealed log to the in-memory state, batch by batch.
struct LogReplay {
  private let shared: Shared
  /// Records up to this LSN are in sealed files.
  private let sealedLSN: LSN

  init(shared: Shared, after sealedLSN: LSN) {
    self.shared = shared
    self.sealedLSN = sealedLSN
  }

  mutating func apply(_ info: LogBatchInfo, _ payload: RawSpan) throws(StorageError) {
    guard info.header.lsnCount > 0, info.header.nextLSN > sealedLSN + 1 else { return }
    var frames: [TableID: FrameBatch] = [:]
    var lsns: [TableID: [LSN]] = [:]
    var cursor = RecordCursor(payload, header: info.header)
    while let record = try cursor.next() {
      guard record.lsn > sealedLSN else { continue }
      switch record.kind {
      case .frame:
        let table = try FrameRecord.decode(
          record.body, symbols: shared.symbols, into: &frames, schema: { shared.schema($0) })
        lsns[table, default: []].append(record.lsn)
      case .event:
        let event = try Journal.decodeEvent(record.body, lsn: record.lsn)
        shared.live.withLock { live in
          live.heads[live.heads.count - 1].append([event])
          live.registry.apply(event)
        }
      case .message:
        let operational = try Journal.decodeRecord(record.body, lsn: record.lsn)
        shared.live.withLock { live in
          live.heads[live.heads.count - 1].append([operational])
          live.registry.apply(operational)
        }
      case .gap, .seal, .edit: break
      }
    }
    shared.clock.withLock { $0.insert(info.header.firstLSN, at: info.header.commitNanos) }
    let head = shared.live.withLock { $0.heads[$0.heads.count - 1] }
    // In order: series get their numbers here, and one log must give one state.
    for (table, batch) in frames.sorted(by: { $0.key < $1.key }) {
      let (numbers, lsns) = (shared.series.numbers(of: batch), lsns[table] ?? [])
      head.append(batch, series: numbers) { lsns[$0] }
      shared.series.insert(batch, series: numbers, lsn: 0)
    }
  }
}
