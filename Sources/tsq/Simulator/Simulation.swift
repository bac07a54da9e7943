import Glibc
import Server

/// Who takes the frames of a fleet.
protocol FrameTarget: AnyObject {
  /// Sends one second of the fleet and returns once it is acknowledged, or queued.
  /// - Parameter acknowledged: called with the latency of each request, from this thread.
  func send(
    _ second: MeterFleet.Second, of sensors: [String], at timestamp: Int64, acknowledged: (Int64) -> Void
  ) throws
  /// Waits for what is still under way.
  func finish(acknowledged: (Int64) -> Void) throws
  /// What the other side made of the frames, as `new=… same=…`; nil when it does not tell.
  var outcome: String? { get }
}

/// `store:DIR`, `http://…`, `mqtt://…`, `mqtts://…`.
enum SimulationTarget: Equatable {
  case store(String)
  case http(ServerURL)
  case mqtt(ServerOptions.Broker)

  init(_ text: String) throws {
    if text.hasPrefix("store:"), text.count > 6 {
      self = .store(String(text.dropFirst(6)))
    } else if text.hasPrefix("http://") {
      self = .http(try ServerURL(text))
    } else if text.hasPrefix("mqtt://") || text.hasPrefix("mqtts://"), let broker = ServerOptions.Broker(text) {
      self = .mqtt(broker)
    } else {
      throw CommandError.usage("--to takes store:DIR, http://HOST:PORT or mqtt[s]://HOST:PORT, not \"\(text)\"")
    }
  }

  var isLocal: Bool { if case .store = self { true } else { false } }
}

/// Drives a fleet second by second and measures what the other side achieves.
struct Simulation {
  var fleet: MeterFleet
  /// Of the first frames, since the epoch.
  var startSeconds: Int64
  var seconds: Int
  /// Seconds of readings a second; 0 is as fast as it goes.
  var speed: Double
  /// Over HTTP.
  var framesPerRequest = 100

  mutating func run(to target: SimulationTarget) throws {
    Interrupts.shared.install()
    let isStopped = StopFlag()
    let (_, wasInterrupted) = try Interrupts.shared.during(stop: { isStopped.raise() }) {
      switch target {
      case .store(let directory):
        try StoreAccess.writing(directory, creating: true) { store in
          try send(to: StoreTarget(store), isStopped)
        }
      case .http(let url): try send(to: HTTPTarget(url, framesPerRequest: framesPerRequest), isStopped)
      case .mqtt(let broker): try send(to: MQTTTarget(broker), isStopped)
      }
    }
    if wasInterrupted { throw CommandError.interrupted }
  }

  private mutating func send(to target: any FrameTarget, _ isStopped: StopFlag) throws {
    let progress = Progress()
    var latencies: [Int64] = []
    var second = MeterFleet.Second()
    var sent = 0
    let began = System.monotonicNanos()
    for index in 0..<seconds where !isStopped.isRaised {
      fleet.next(into: &second)
      if speed > 0 { wait(until: began + Int64(Double(index) / speed * 1e9), isStopped) }
      try target.send(second, of: fleet.sensors, at: startSeconds + Int64(index)) { latencies.append($0) }
      sent += 1
      progress.show { "\(index + 1) of \(seconds) s, \(rates(sent, System.monotonicNanos() - began))" }
    }
    try target.finish { latencies.append($0) }
    progress.clear()
    try report(sent, System.monotonicNanos() - began, latencies.sorted(), target.outcome)
  }

  private func wait(until instant: Int64, _ isStopped: StopFlag) {
    while !isStopped.isRaised {
      let left = instant - System.monotonicNanos()
      if left <= 0 { return }
      usleep(UInt32(min(left / 1000 + 1, 50_000)))
    }
  }

  private func rates(_ sent: Int, _ nanos: Int64) -> String {
    let frames = Double(sent * fleet.sensors.count) / max(Double(nanos) / 1e9, 1e-9)
    let values = frames * Double(MeterFleet.probeCount * MeterPhase.samplesPerSecond * 3)
    return "\(Figures.short(frames)) frames/s, \(Figures.short(values)) values/s"
  }

  /// Figures on standard output, one `name=value` each, so that a script can read them.
  private func report(_ sent: Int, _ nanos: Int64, _ latencies: [Int64], _ outcome: String?) throws {
    let frames = sent * fleet.sensors.count
    let values = frames * MeterFleet.probeCount * MeterPhase.samplesPerSecond * 3
    let elapsed = max(Double(nanos) / 1e9, 1e-9)
    var text =
      "sensors=\(fleet.sensors.count) seconds=\(sent) frames=\(frames) values=\(values)"
      + " frames_per_s=\(Int(Double(frames) / elapsed)) values_per_s=\(Int(Double(values) / elapsed))"
    if let outcome { text += " " + outcome }
    if !latencies.isEmpty {
      for (name, share) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0)] {
        let rank = min(latencies.count - 1, Int(Double(latencies.count) * share))
        text += " \(name)_ms=\(AxisScale.number(Double(latencies[rank]) / 1e6, step: 0.001))"
      }
    }
    try FileSink(descriptor: STDOUT_FILENO).writeThrough(text)
    Terminal.note("\(rates(sent, nanos)) in \(Figures.duration(nanos: nanos))")
  }
}
