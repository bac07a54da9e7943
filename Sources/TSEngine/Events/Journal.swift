internal import SwiftProtobuf

/// The bytes of an event or operational record in the log: one protobuf message, fields in the
/// order of their numbers, no maps, so the same value always has the same bytes.
///
/// Hostile bytes throw: `.corrupt` for what no version writes, `.unsupportedVersion` for what a
/// newer one may have written. Nothing traps.
package enum Journal {
  /// Longer bodies are refused before they are parsed. A batch holds at most 16 MiB.
  package static let maximumByteCount = 1 << 20

  package static func encode(_ event: Event) throws(StorageError) -> [UInt8] {
    let (offset, overflow) = event.effectiveAt.subtractingReportingOverflow(event.recordedAt)
    guard !overflow else { throw StorageError(.invalid, "effective_at out of range") }
    let message = PBEvent.with {
      $0.idHigh = event.id.high
      $0.idLow = event.id.low
      $0.recordedAt = event.recordedAt
      $0.effectiveOffset = offset
      $0.actorKind = event.actor.kind.message
      $0.actorID = event.actor.id
      if event.cause != Cause() {
        $0.cause = .with {
          $0.lsn = event.cause.lsn
          $0.message = event.cause.message
          $0.reason = event.cause.reason
        }
      }
      $0.correlation = event.correlation
      $0.kind = event.kind.message
    }
    return try serialize(message)
  }

  package static func encode(_ record: OperationalRecord) throws(StorageError) -> [UInt8] {
    try serialize(
      PBOperationalRecord.with {
        $0.recordedAt = record.recordedAt
        $0.kind = record.kind.message
      })
  }

  /// - Throws: `.corrupt`, `.unsupportedVersion`.
  package static func decodeEvent(_ bytes: RawSpan, lsn: LSN) throws(StorageError) -> Event {
    let message: PBEvent = try parse(bytes)
    guard let kind = message.kind else { throw StorageError(.corrupt, "an event without a kind") }
    let (effective, overflow) =
      message.recordedAt.addingReportingOverflow(message.effectiveOffset)
    guard !overflow else { throw StorageError(.corrupt, "effective_at out of range") }
    if message.hasCause { try Known.check(message.cause) }
    return Event(
      lsn: lsn, id: EventID(high: message.idHigh, low: message.idLow),
      recordedAt: message.recordedAt, effectiveAt: effective,
      actor: Actor(try Actor.Kind(message.actorKind), message.actorID),
      cause: message.hasCause
        ? Cause(
          lsn: message.cause.lsn, message: message.cause.message, reason: message.cause.reason)
        : Cause(),
      correlation: message.correlation, kind: try EventKind(kind))
  }

  /// The field that holds the kind of an event or of an operational record, found without decoding it.
  /// - Returns: nil where there is none, or the bytes are no message.
  static func kindField(_ bytes: RawSpan) -> Int? {
    var reader = ByteReader(bytes)
    while !reader.isAtEnd {
      guard let tag = try? reader.varint(), let field = Int(exactly: tag >> 3) else { return nil }
      if field >= firstKindField { return field }
      switch tag & 7 {
      case 0: guard (try? reader.varint()) != nil else { return nil }
      case 1: guard (try? reader.next(UInt64.self)) != nil else { return nil }
      case 2: guard let length = try? reader.count(limit: reader.remaining), (try? reader.take(length)) != nil else { return nil }
      case 5: guard (try? reader.next(UInt32.self)) != nil else { return nil }
      default: return nil
      }
    }
    return nil
  }

  /// Below are the envelope's.
  private static let firstKindField = 20

  /// - Throws: `.corrupt`, `.unsupportedVersion`.
  package static func decodeRecord(
    _ bytes: RawSpan, lsn: LSN
  ) throws(StorageError) -> OperationalRecord {
    let message: PBOperationalRecord = try parse(bytes)
    guard let kind = message.kind else { throw StorageError(.corrupt, "a record without a kind") }
    return OperationalRecord(
      lsn: lsn, recordedAt: message.recordedAt, kind: try OperationalKind(kind))
  }

  private static func parse<M: Message>(_ bytes: RawSpan) throws(StorageError) -> M {
    guard bytes.byteCount <= maximumByteCount else {
      throw StorageError(.corrupt, "a record of \(bytes.byteCount) bytes")
    }
    let message: M
    do {
      message = try M(serializedBytes: bytes)
    } catch {
      throw StorageError(.corrupt, "not a protobuf message")
    }
    // A kind of a newer version lands among the unknown fields.
    try Known.check(message)
    return message
  }

  private static func serialize(_ message: some Message) throws(StorageError) -> [UInt8] {
    let bytes: [UInt8]
    do {
      bytes = try message.serializedBytes()
    } catch {
      throw StorageError(.invalid, "a record that protobuf cannot hold")
    }
    guard bytes.count <= maximumByteCount else {
      throw StorageError(.invalid, "a record of \(bytes.count) bytes; at most \(maximumByteCount)")
    }
    return bytes
  }
}
