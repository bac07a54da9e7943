/// Meters with three phases each, one second after the other; the same from the same seed.
struct MeterFleet: Sendable {
  static let probeCount = 3

  let sensors: [String]
  private var phases: [MeterPhase]

  /// - Parameter first: the number of the first meter; a meter's readings depend on its number and
  ///   the seed alone, so fleets side by side are one.
  init(sensorCount: Int, first: Int = 1, seed: UInt64) {
    let numbers = first..<first + max(1, sensorCount)
    sensors = numbers.map(Self.sensorName)
    phases = numbers.flatMap { number in
      (0..<Self.probeCount).map { MeterPhase(seed: seed, sensor: number, probe: $0) }
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
