/// Frames to a server, an array of up to a hundred in a request.
final class HTTPTarget: FrameTarget {
  private static let framesPerRequest = 100
  private let connection: HTTPConnection
  private var body: [UInt8] = []
  private var counts: [String: Int] = [:]

  init(_ url: ServerURL) { connection = HTTPConnection(url) }

  func send(
    _ second: MeterFleet.Second, of sensors: [String], at timestamp: Int64, acknowledged: (Int64) -> Void
  ) throws {
    for start in stride(from: 0, to: sensors.count, by: Self.framesPerRequest) {
      body.removeAll(keepingCapacity: true)
      body.append(UInt8(ascii: "["))
      for sensor in start..<min(start + Self.framesPerRequest, sensors.count) {
        if sensor > start { body.append(UInt8(ascii: ",")) }
        FrameJSON.append(second, sensor: sensor, name: sensors[sensor], timestamp: timestamp, to: &body)
      }
      body.append(UInt8(ascii: "]"))
      let began = System.monotonicNanos()
      let (response, answer) = try connection.request("POST", "/powermon/data", body: body)
      acknowledged(System.monotonicNanos() - began)
      guard response.status == 200 else {
        let text = VisibleText.of(String(decoding: answer.prefix(400), as: UTF8.self))
        throw CommandError.failed("\(connection.url.text) answered \(response.status): \(text)")
      }
      count(answer)
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

  var outcome: String? { Self.names.map { "\($0)=\(counts[$0] ?? 0)" }.joined(separator: " ") }
}
