import Glibc

/// Frames to a server, several in a request or each by itself.
final class HTTPTarget: FrameTarget {
  /// How often a server that has no room is asked again, a second apart.
  private static let patience = 30

  private let connection: HTTPConnection
  private let framesPerRequest: Int
  private var body: [UInt8] = []
  private var counts: [String: Int] = [:]
  /// Frames, not readings: what they hold is never counted.
  private var refused = 0

  init(_ url: ServerURL, framesPerRequest: Int) {
    connection = HTTPConnection(url)
    self.framesPerRequest = framesPerRequest
  }

  func send(
    _ second: MeterFleet.Second, of sensors: [String], at timestamp: Int64, acknowledged: (Int64) -> Void
  ) throws {
    for start in stride(from: 0, to: sensors.count, by: framesPerRequest) {
      let wanted = start..<min(start + framesPerRequest, sensors.count)
      body.removeAll(keepingCapacity: true)
      if framesPerRequest > 1 { body.append(UInt8(ascii: "[")) }
      for sensor in wanted {
        if sensor > start { body.append(UInt8(ascii: ",")) }
        FrameJSON.append(second, sensor: sensor, name: sensors[sensor], timestamp: timestamp, to: &body)
      }
      if framesPerRequest > 1 { body.append(UInt8(ascii: "]")) }
      try post(frames: wanted.count, acknowledged)
    }
  }

  /// A request that is refused for what it holds is counted; one that the server has no room for is
  /// sent again, as a meter would.
  private func post(frames: Int, _ acknowledged: (Int64) -> Void) throws {
    var tries = 0
    while true {
      let began = System.monotonicNanos()
      let (response, answer) = try connection.request("POST", "/powermon/data", body: body)
      switch response.status {
      case 200:
        acknowledged(System.monotonicNanos() - began)
        return count(answer)
      case 429 where tries < Self.patience, 503 where tries < Self.patience:
        tries += 1
        guard !Interrupts.shared.isPending else { return }
        usleep(1_000_000)
      case 400, 413:
        refused += frames
        return
      default:
        throw RemoteFailure.error(answer, response.status, connection.url)
      }
    }
  }

  func finish(acknowledged: (Int64) -> Void) throws {}

  private static let names = ["new", "same", "conflict", "quarantined", "expired"]

  /// Adds the counts of `{"new":60,"same":0,…}`.
  private func count(_ answer: [UInt8]) {
    let text = String(decoding: answer, as: UTF8.self)
    for name in Self.names {
      guard let key = text.firstRange(of: "\"\(name)\":") else { continue }
      counts[name, default: 0] += Int(text[key.upperBound...].prefix { $0.isNumber }) ?? 0
    }
  }

  var outcome: String? {
    Self.names.map { "\($0)=\(counts[$0] ?? 0)" }.joined(separator: " ") + " refused=\(refused)"
  }
}
