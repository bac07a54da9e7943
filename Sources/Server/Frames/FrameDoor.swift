import Ingest
import Synchronization
import TSEngine

/// The one way of power-meter frames into the store, from HTTP and MQTT alike: bytes to a checked
/// request, with the message that goes with each frame.
package final class FrameDoor: Sendable {
  /// Frames of one request, read and not yet stored.
  package struct Parsed: Sendable {
    package var batch: FrameBatch
    package var infos: [FrameInfo]

    package init() {
      batch = FrameBatch(table: TableSchema.power.id)
      infos = []
    }

    /// Takes back all frames but the first `count`, which `mark` stands behind.
    package mutating func rollBack(to mark: FrameBatch.Mark, count: Int) {
      batch.rollBack(to: mark)
      infos.removeLast(infos.count - count)
    }
  }

  private struct Pool: Sendable {
    var parsers: [PowerFrameParser] = []
    var scales = PowerWireScales()
    /// The registry of this event gave `scales`.
    var eventLSN: LSN?
  }

  private static let idleParserLimit = 64

  private let store: Store
  private let pool = Mutex(Pool())

  package init(_ store: Store) { self.store = store }

  /// - Throws: the first thing wrong; nothing was stored.
  package func parse(_ bytes: RawSpan) throws(FrameError) -> Parsed {
    var parsed = Parsed()
    try parse(bytes, into: &parsed)
    return parsed
  }

  /// Adds the frames of one more request.
  /// - Throws: the first thing wrong; `parsed` is as it was.
  package func parse(_ bytes: RawSpan, into parsed: inout Parsed) throws(FrameError) {
    var parser = takeParser()
    defer { giveBack(parser) }
    try parser.parse(bytes, into: &parsed.batch, infos: &parsed.infos)
  }

  /// What the store is asked for, of frames whose senders are admitted. Tokens stay behind.
  /// - Parameter creator: who makes meters that are not there yet, parked; nil refuses their frames.
  /// - Parameter complete: adds what else is known of the message of frame i of `parsed`.
  package func request(
    _ parsed: Parsed, creator: Actor?, interface: String, topic: String,
    _ complete: (_ frame: Int, inout ReceivedMessage) -> Void = { _, _ in }
  ) -> CommitRequest.AppendRequest {
    let messages = parsed.infos.enumerated().map { index, info in
      var message = ReceivedMessage(device: info.sensorID, interface: interface, topic: topic)
      message.version = info.version ?? ""
      message.deviceTime = info.startNanos
      message.extras = info.extras ?? ""
      complete(index, &message)
      return message
    }
    var batch = parsed.batch
    batch.internVersions(of: parsed.infos, in: store.symbols)
    return CommitRequest.AppendRequest(batch, creator: creator, messages: messages)
  }

  // MARK: Parsers

  private func takeParser() -> PowerFrameParser {
    let lsn = store.lastEventLSN
    // Settings change rarely, the registry with every new device: only then are they looked up.
    let isKnown = pool.withLock { $0.eventLSN == lsn }
    let registry = isKnown ? nil : store.registry
    let (parser, scales) = pool.withLock { pool -> (PowerFrameParser?, PowerWireScales) in
      if let registry, pool.eventLSN.map({ $0 < registry.lastEventLSN }) ?? true {
        let scales = Self.scales(registry.types)
        if scales != pool.scales { pool.parsers.removeAll() }
        pool.scales = scales
        pool.eventLSN = registry.lastEventLSN
      }
      return (pool.parsers.popLast(), pool.scales)
    }
    return parser ?? PowerFrameParser(scales: scales, symbols: store.symbols)
  }

  /// A parser that was out while the scales changed is dropped.
  private func giveBack(_ parser: PowerFrameParser) {
    pool.withLock { pool in
      if parser.scales == pool.scales, pool.parsers.count < Self.idleParserLimit { pool.parsers.append(parser) }
    }
  }

  /// P-12: from the settings of the type `power`.
  package static func scales(_ types: Types) -> PowerWireScales {
    func factor(_ column: String) -> WireFactor {
      WireFactor(types.wireMultiplier(type: DeviceType.power, column: column) ?? 1)
    }
    return PowerWireScales(power: factor("power"), pf: factor("pf"), voltage: factor("voltage"))
  }
}

extension AppendResult {
  /// The answer of HTTP and MQTT, without its closing brace.
  var openJSON: String {
    "{\"new\":\(new),\"same\":\(same),\"conflict\":\(conflict),\"quarantined\":\(quarantined)"
      + ",\"expired\":\(expired),\"lsn\":\(lsn)"
  }
}
