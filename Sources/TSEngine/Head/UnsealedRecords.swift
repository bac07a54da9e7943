/// A record of the log that is held in memory until its stretch is sealed.
package protocol UnsealedRecord: Sendable {
  var lsn: LSN { get }
  /// Bytes it takes in memory, roughly.
  var byteCount: Int { get }
}

/// Events or operational records of one stretch of the log, in LSN order. A copy shares all but the last
/// few, so whoever holds one does not make the next append copy what came before.
package struct UnsealedRecords<Record: UnsealedRecord>: Sendable {
  private static var chunkCount: Int { 256 }

  /// All but the last are full.
  private var chunks: [[Record]] = []
  /// Bytes held, roughly.
  package private(set) var byteCount = 0
  package private(set) var count = 0

  package init() {}

  package mutating func append(_ records: [Record]) {
    for record in records {
      if chunks.last.map({ $0.count == Self.chunkCount }) ?? true {
        chunks.append([])
        chunks[chunks.count - 1].reserveCapacity(Self.chunkCount)
      }
      chunks[chunks.count - 1].append(record)
      byteCount += record.byteCount
    }
    count += records.count
  }

  /// Oldest first.
  package var all: some Sequence<Record> { chunks.joined() }

  /// Newest first, from `lsn` down. O(records / 256) to the first of them.
  package func newestFirst(through lsn: LSN) -> some Sequence<Record> {
    chunks.reversed().lazy.drop { $0[0].lsn > lsn }.flatMap { $0.reversed() }.filter { $0.lsn <= lsn }
  }
}

extension UnsealedRecords {
  package subscript(index: Int) -> Record { chunks[index / Self.chunkCount][index % Self.chunkCount] }

  /// The first record at or above `lsn`, or `count`. O(log n).
  package func firstIndex(atOrAbove lsn: LSN) -> Int {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if self[middle].lsn < lsn { low = middle + 1 } else { high = middle }
    }
    return low
  }
}

extension Event: UnsealedRecord {
  package var byteCount: Int {
    let spans: [SeriesSpans] =
      switch kind {
      case .readingsDeleted(_, let spans, _, _), .quarantineSettled(_, let spans, _, _, _): spans
      default: []
      }
    return MemoryLayout<Event>.stride + 64 + spans.reduce(0) { $0 + 64 + $1.times.count * 16 }
  }
}

extension OperationalRecord: UnsealedRecord {
  package var byteCount: Int {
    MemoryLayout<OperationalRecord>.stride + kind.textByteCount
  }
}

extension OperationalKind {
  fileprivate var textByteCount: Int {
    switch self {
    case .connectionChanged(let device, let interface, _, let source):
      return Self.heap(device, interface, source)
    case .messageReceived(let message):
      let properties = message.userProperties.reduce(0) { $0 + 32 + Self.heap($1.name, $1.value) }
      return 32 + message.payload.count + message.correlation.count + properties
        + Self.heap(
          message.device, message.interface, message.topic, message.extras, message.version,
          message.contentType) + MemoryLayout<ReceivedMessage>.stride
    case .messageProcessed(_, let error): return Self.heap(error)
    case .clockSynced(let device, _, _): return Self.heap(device)
    case .authenticationFailed(let interface, let credential, let address, let reason):
      return Self.heap(interface, credential, address, reason)
    case .callRecorded(let call):
      return MemoryLayout<RecordedCall>.stride + Self.heap(call.device, call.id, call.name, call.body)
    case .stateReported(let device, let client, let fields):
      return Self.heap(device, client) + fields.reduce(32) { total, field in
        let text = switch field.value {
        case .text(let text), .json(let text): text
        default: ""
        }
        return total + MemoryLayout<ReportedField>.stride + Self.heap(field.name, text)
      }
    }
  }

  /// Texts of up to 15 bytes lie in the record itself.
  private static func heap(_ texts: String...) -> Int {
    texts.reduce(0) { $0 + ($1.utf8.count > 15 ? 32 + $1.utf8.count : 0) }
  }
}
