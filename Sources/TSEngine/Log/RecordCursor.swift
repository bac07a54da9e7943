/// Walks the records of a batch's payload. Every length is checked; the bytes of a body are
/// borrowed from the payload.
@safe package struct RecordCursor: ~Escapable {
  private var reader: ByteReader
  private var nextLSN: LSN
  private let endLSN: LSN

  /// - Parameter payload: of the batch that `header` describes.
  @_lifetime(copy payload)
  package init(_ payload: RawSpan, header: LogBatchHeader) {
    reader = ByteReader(payload)
    nextLSN = header.firstLSN
    endLSN = header.nextLSN
  }

  /// The next record, or nil after the last.
  /// - Throws: `.corrupt` or `.truncated` when the payload is no row of records or does not hold
  ///   as many LSNs as the batch says; `.unsupportedVersion` for a kind of a newer version.
  @_lifetime(self: copy self)
  @_lifetime(copy self)
  package mutating func next() throws(StorageError) -> LogRecord? {
    if reader.isAtEnd {
      guard nextLSN == endLSN else {
        throw StorageError(.corrupt, "batch of fewer LSNs than it says", offset: reader.offset)
      }
      return nil
    }
    let start = reader.offset
    let number = try reader.next(UInt8.self)
    guard let kind = LogRecordKind(rawValue: number) else {
      let code: StorageError.Code = number == 0 ? .corrupt : .unsupportedVersion
      throw StorageError(code, "record of kind \(number)", offset: start)
    }
    let byteCount = try reader.count(limit: LogFormat.maximumPayloadByteCount)
    let body = try reader.take(byteCount)
    guard kind.takesLSN else { return LogRecord(kind: kind, lsn: 0, body: body) }
    guard nextLSN < endLSN else {
      throw StorageError(.corrupt, "batch of more LSNs than it says", offset: start)
    }
    defer { nextLSN &+= 1 }
    return LogRecord(kind: kind, lsn: nextLSN, body: body)
  }
}

/// One record of a batch, borrowed.
@safe package struct LogRecord: ~Escapable {
  package let kind: LogRecordKind
  /// 0 for kinds that take none.
  package let lsn: LSN
  package let body: RawSpan

  @_lifetime(copy body)
  init(kind: LogRecordKind, lsn: LSN, body: RawSpan) {
    self.kind = kind
    self.lsn = lsn
    self.body = body
  }
}
