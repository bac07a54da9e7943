/// Gathers the records of one batch in the very buffer that is written: 64 bytes are kept free at
/// its head for the header, so an append copies no payload. Reuse it with `removeAll`.
package struct LogBatchBuilder: Sendable {
  private(set) var buffer: ByteWriter
  package private(set) var lsnCount = 0
  package private(set) var recordCount = 0

  package init(reserving byteCount: Int = 32 << 10) {
    buffer = ByteWriter(reserving: byteCount + LogFormat.BatchHeader.byteCount)
    removeAll()
  }

  package var isEmpty: Bool { recordCount == 0 }
  package var payloadByteCount: Int { buffer.count - LogFormat.BatchHeader.byteCount }

  /// Keeps the buffer.
  package mutating func removeAll() {
    buffer.bytes.removeAll(keepingCapacity: true)
    buffer.bytes.appendZeros(LogFormat.BatchHeader.byteCount)
    lsnCount = 0
    recordCount = 0
  }

  package mutating func add(_ kind: LogRecordKind, _ body: RawSpan) {
    buffer.put(kind.rawValue)
    buffer.varint(body.byteCount)
    buffer.append(body)
    count(kind)
  }

  package mutating func add(_ kind: LogRecordKind, _ body: [UInt8]) { add(kind, body.rawSpan) }

  /// Adds a record whose body `encode` appends to the writer; it must not touch what lies before.
  package mutating func add<Failure: Error>(
    _ kind: LogRecordKind, encode: (inout ByteWriter) throws(Failure) -> Void
  ) throws(Failure) {
    let recordStart = buffer.count
    buffer.put(kind.rawValue)
    // Two bytes for the length, right for bodies of 128 to 16383 bytes; others are moved.
    let lengthStart = buffer.count
    buffer.put(UInt16(0))
    let bodyStart = buffer.count
    do throws(Failure) {
      try encode(&buffer)
    } catch {
      buffer.bytes.removeSubrange(recordStart...)
      throw error
    }
    precondition(buffer.count >= bodyStart, "a body only grows")
    var length = ByteWriter(reserving: 0)
    let byteCount = buffer.count - bodyStart
    if byteCount >= 128 && byteCount < 16384 {
      buffer.bytes[lengthStart] = UInt8(truncatingIfNeeded: byteCount) | 0x80
      buffer.bytes[lengthStart + 1] = UInt8(truncatingIfNeeded: byteCount >> 7)
    } else {
      length.varint(byteCount)
      buffer.bytes.replaceSubrange(lengthStart..<bodyStart, with: length.bytes)
    }
    count(kind)
  }

  private mutating func count(_ kind: LogRecordKind) {
    recordCount += 1
    if kind.takesLSN { lsnCount += 1 }
  }

  /// Completes header and padding for a batch at `offset`; returns the header's CRC.
  mutating func seal(
    _ header: LogBatchHeader, place: LogBatchHeader.Place, offset: Int
  ) -> UInt32 {
    buffer.pad(to: LogFormat.sectorByteCount)
    return header.encode(over: &buffer, place: place, offset: offset)
  }

  /// Takes the padding off again, so that the batch can be appended once more after a failure.
  mutating func unseal(payloadByteCount: Int) {
    buffer.bytes.removeSubrange((LogFormat.BatchHeader.byteCount + payloadByteCount)...)
  }

  /// CRC32C of the payload.
  var payloadCRC: UInt32 {
    CRC32C.checksum(
      buffer.bytes.rawSpan.extracting(LogFormat.BatchHeader.byteCount..<buffer.count))
  }
}
