/// Meters with three phases each, one second after the other; the same from the same seed.
struct MeterFleet: Sendable {
  static let probeCount = 3

  let sensors: [String]
  private var phases: [MeterPhase]

  init(sensorCount: Int, seed: UInt64) {
    sensors = (1...max(1, sensorCount)).map(Self.sensorName)
    phases = (0..<sensors.count * Self.probeCount).map {
      MeterPhase(seed: seed, sensor: $0 / Self.probeCount, probe: $0 % Self.probeCount)
    }
  }

  /// `gresystem000001`: letters and six digits, as power meters are called.
  static func sensorName(_ number: Int) -> String {
    let digits = "\(number)"
    return "gresystem" + String(repeating: "0", count: max(0, 6 - digits.count)) + digits
  }

  /// One second of the whole fleet, phase by phase: sensor s, probe p, sample i lies at
  /// ((s * 3) + p) * 20 + i.
  struct Second: Sendable {
    var power: [Int64] = []
    var pf: [Int64] = []
    var voltage: [Int64] = []

    func samples(sensor: Int, probe: Int) -> Range<Int> {
      let start = (sensor * MeterFleet.probeCount + probe) * MeterPhase.samplesPerSecond
      return start..<start + MeterPhase.samplesPerSecond
    }
  }

  /// The second that follows; `second` is overwritten.
  mutating func next(into second: inout Second) {
    second.power.removeAll(keepingCapacity: true)
    second.pf.removeAll(keepingCapacity: true)
    second.voltage.removeAll(keepingCapacity: true)
    for index in phases.indices {
      phases[index].second(power: &second.power, pf: &second.pf, voltage: &second.voltage)
    }
  }
}
