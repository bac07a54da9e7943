import Foundation
import Hummingbird
import Ingest
import TSEngine

/// What meters ask beside sending frames: `POST /powermon/boot` (P-08), `GET` and `POST /time` (P-07).
extension HTTPDoor {
  /// Seconds between two frames of a meter.
  private static let frameSeconds = 1

  private struct Boot: Decodable {
    var sensor_id: String
    var version: String?
    var secret: String?
  }

  func boot(_ request: Request) async throws -> Response {
    let boot: Boot = try await decoded(request, #"{"sensor_id","version","secret"}"#)
    guard PowerFrameParser.isSensorID(boot.sensor_id) else {
      throw Refused.badRequest("sensor_id: letters and six digits expected")
    }
    guard (boot.version?.count ?? 0) <= PowerFrameParser.maximumIDLength else {
      throw Refused.badRequest("version: too long")
    }
    guard let given = authority.bootTokens.token(for: boot.sensor_id, secret: boot.secret ?? "") else {
      metrics.add(.authenticationFailures)
      throw Refused.unauthorized
    }
    let now = store.options.clock.nowNanos()
    var message = ReceivedMessage(device: boot.sensor_id, interface: "http", topic: "/powermon/boot")
    message.version = boot.version ?? ""
    let (store, booted) = (store, message)
    _ = try await blocking { try store.record([OperationalRecord(recordedAt: now, kind: .messageReceived(booted))]) }
    let base = publicURL ?? "http://\(request.head.authority ?? "127.0.0.1")"
    var json = JSONText()
    json.add("token", given.text)
    json.add("expires", given.expirySeconds)
    json.add("time", now / 1_000_000)
    json.add("host", base.split(separator: "/", maxSplits: 2).last.map(String.init) ?? base)
    json.add("url", base + "/powermon/data")
    json.add("interval", Self.frameSeconds)
    json.add("sync_interval", store.registry.syncIntervalNanos(of: boot.sensor_id) / 1_000_000_000)
    return Reply.json(.ok, json.closed, [.cacheControl: "no-store"])
  }

  // MARK: Time

  /// Stamps in milliseconds since 1970: the meter's when it asked (`t1`), ours when that came (`t2`) and when we
  /// answered (`t3`), the meter's when the answer came (`t4`).
  private struct Stamps: Decodable {
    var sensor_id: String
    var t1: Double
    var t2, t3, t4: Double?
  }

  /// Without `t4` the first half of the exchange: our stamps. With it the second: the offset, which is recorded.
  /// - Source: RFC 5905, section 8: offset = ((t2 - t1) + (t3 - t4)) / 2.
  func time(_ request: Request, _ admitted: Admission) async throws -> Response {
    let arrived = store.options.clock.nowNanos()
    let stamps: Stamps = try await decoded(request, #"{"sensor_id","t1"} and then "t2", "t3", "t4""#)
    guard admitted.isFor(stamps.sensor_id) else { throw Refused.forbidden("This token is another device's") }
    guard try store.wholeRegistry().devices.contains(stamps.sensor_id) else { throw Refused(.unknownDevice) }
    var json = JSONText()
    guard let t4 = stamps.t4 else {
      json.add("t1", raw: "\(stamps.t1)")
      json.add("t2", raw: Self.millis(arrived))
      json.add("t3", raw: Self.millis(store.options.clock.nowNanos()))
      return Reply.json(json.closed)
    }
    guard let exchange = ClockExchange(stamps.t1, stamps.t2, stamps.t3, t4, now: arrived) else {
      throw Refused.badRequest("t2 and t3 are those of the first answer, at most a minute ago, and t4 is not before t1")
    }
    let record = OperationalRecord(
      recordedAt: arrived,
      kind: .clockSynced(device: stamps.sensor_id, offset: exchange.offset, roundTrip: exchange.roundTrip))
    let store = store
    let lsn = try await blocking { try store.record([record]) }
    json.add("offset_ms", raw: "\(Double(exchange.offset) / 1e6)")
    json.add("round_trip_ms", raw: "\(Double(exchange.roundTrip) / 1e6)")
    json.add("lsn", lsn)
    return Reply.json(json.closed)
  }

  /// Exact to the microsecond.
  private static func millis(_ nanos: Int64) -> String {
    let digits = String(nanos % 1_000_000 / 1_000 + 1_000).dropFirst()
    return "\(nanos / 1_000_000).\(digits)"
  }

  private func decoded<Body: Decodable>(_ request: Request, _ form: String) async throws -> Body {
    let bytes = try await body(request, limit: Self.commandBodyLimit)
    do {
      return try JSONDecoder().decode(Body.self, from: Data(bytes.readableBytesView))
    } catch {
      throw Refused.badRequest("A JSON object expected: \(form)")
    }
  }
}

/// Two clocks compared by four stamps.
struct ClockExchange: Equatable {
  /// Server minus device, nanoseconds.
  let offset: Int64
  let roundTrip: Int64

  /// Our own stamps come back by way of the device, so they are believed within this.
  private static let ageLimitNanos: Int64 = 60_000_000_000

  /// Of milliseconds since 1970. Nil when they cannot be those of one exchange that ends at `now`, nanoseconds.
  init?(_ t1: Double, _ t2: Double?, _ t3: Double?, _ t4: Double, now: Int64) {
    // Within some thirty thousand years, so that no sum overflows.
    guard let t2, let t3, [t1, t2, t3, t4].allSatisfy({ $0.isFinite && abs($0) < 2e12 }) else { return nil }
    let stamps = [t1, t2, t3, t4].map { Int64(($0 * 1e6).rounded()) }
    let (away, here) = (stamps[3] - stamps[0], stamps[2] - stamps[1])
    guard here >= 0, away >= here, stamps[2] <= now + 1_000_000, now - stamps[2] <= Self.ageLimitNanos else { return nil }
    offset = (stamps[1] - stamps[0] + stamps[2] - stamps[3]) / 2
    roundTrip = away - here
  }
}
