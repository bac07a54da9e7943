import Glibc

/// One hour of a fleet of 3-phase meters, 20 samples a second, as flat arrays: the benchmark's data
/// set. The shape (appliances switching on and off, sensor noise, voltage drift and sag) follows
/// the one the peers were measured on; the seed fixes it.
package struct MeterData: Sendable {
  package static let probes = 3
  package static let ticksPerSecond = 20
  package static let stepNanos: Int64 = 50_000_000
  /// 2026-01-01T00:00:00Z.
  package static let start: Int64 = 1_767_225_600_000_000_000

  package let sensors: Int
  package let seconds: Int
  /// By series (sensor · 3 + probe), `ticks` values each.
  package private(set) var power: [[Int32]] = []
  package private(set) var pf: [[Int32]] = []
  package private(set) var voltage: [[Int32]] = []

  package var ticks: Int { seconds * Self.ticksPerSecond }
  package var rowCount: Int { sensors * Self.probes * ticks }
  package var valueCount: Int { rowCount * 3 }

  package static func deviceID(_ sensor: Int) -> String {
    let digits = String(sensor + 1)
    return "meter" + String(repeating: "0", count: max(0, 6 - digits.count)) + digits
  }

  package init(sensors: Int, seconds: Int, seed: UInt64) {
    self.sensors = sensors
    self.seconds = seconds
    for series in 0..<(sensors * Self.probes) {
      var generator = SeriesGenerator(seed: seed &* 0x9E37_79B9_7F4A_7C15 &+ UInt64(series))
      let made = generator.make(ticks: seconds * Self.ticksPerSecond)
      power.append(made.power)
      pf.append(made.pf)
      voltage.append(made.voltage)
    }
  }
}

/// The random walk of one phase.
private struct SeriesGenerator {
  private struct Appliance {
    var watts: Double
    /// Per mille.
    var factor: Double
    var meanOnSeconds: Double
    var meanOffSeconds: Double
  }

  private static let appliances = [
    Appliance(watts: 60, factor: 620, meanOnSeconds: 300, meanOffSeconds: 600),
    Appliance(watts: 150, factor: 930, meanOnSeconds: 600, meanOffSeconds: 900),
    Appliance(watts: 400, factor: 780, meanOnSeconds: 240, meanOffSeconds: 700),
    Appliance(watts: 900, factor: 985, meanOnSeconds: 90, meanOffSeconds: 500),
    Appliance(watts: 1500, factor: 860, meanOnSeconds: 200, meanOffSeconds: 900),
    Appliance(watts: 2000, factor: 998, meanOnSeconds: 60, meanOffSeconds: 900),
    Appliance(watts: 2400, factor: 840, meanOnSeconds: 120, meanOffSeconds: 1200),
  ]

  private var random: Randomness

  init(seed: UInt64) { random = Randomness(seed: seed) }

  mutating func make(ticks: Int) -> (power: [Int32], pf: [Int32], voltage: [Int32]) {
    let (load, apparent, variance) = loads(ticks)
    let wander = randomWalk(ticks, knot: 200, deviation: 0.8)
    let drift = randomWalk(ticks, knot: 400, deviation: 1.5)
    let level = 2300 + random.normal() * 12
    let phase = random.uniform()
    var power = [Int32](repeating: 0, count: ticks)
    var pf = power
    var voltage = power
    for tick in 0..<ticks {
      if load[tick] > 0 {
        let watts = load[tick] + random.normal() * variance[tick].squareRoot() + wander[tick]
        power[tick] = Int32(min(max(watts, 0), 4000).rounded())
        let factor = 1000 * load[tick] / max(apparent[tick], 1) + random.normal() * 3
        pf[tick] = Int32(min(max(factor, 0), 1000).rounded())
      } else {
        power[tick] = random.uniform() < 0.12 ? 1 : 0
        pf[tick] = Int32(abs(random.normal() * 0.6).rounded())
      }
      let sag = 12 * sin(2 * .pi * (Double(tick) / Double(ticks) + phase))
      let volts = level + drift[tick] + sag - load[tick] * 0.006 + random.normal() * 2.5
      voltage[tick] = Int32(min(max(volts, 2150), 2450).rounded())
    }
    return (power, pf, voltage)
  }

  private mutating func loads(
    _ ticks: Int
  ) -> (load: [Double], apparent: [Double], variance: [Double]) {
    var load = [Double](repeating: 0, count: ticks)
    var apparent = load
    var variance = load
    for appliance in random.choose(1 + random.below(5), of: Self.appliances) {
      let watts = appliance.watts * (0.85 + 0.3 * random.uniform())
      let factor = min(1000, appliance.factor + random.normal() * 10)
      let duty = appliance.meanOnSeconds / (appliance.meanOnSeconds + appliance.meanOffSeconds)
      var isOn = random.uniform() < duty
      var tick = 0
      while tick < ticks {
        let mean = isOn ? appliance.meanOnSeconds : appliance.meanOffSeconds
        let length = Int(random.exponential(mean) * 20) + 20
        if isOn {
          let level = watts * (1 + random.normal() * 0.03)
          for at in tick..<min(ticks, tick + length) {
            load[at] += level
            apparent[at] += level / (factor / 1000)
            variance[at] += (1.2 + level * 0.0008) * (1.2 + level * 0.0008)
          }
        }
        tick += length
        isOn.toggle()
      }
    }
    for tick in 0..<ticks { load[tick] = min(load[tick], 4000) }
    return (load, apparent, variance)
  }

  /// A walk of normal steps at every `knot` ticks, interpolated between.
  private mutating func randomWalk(_ ticks: Int, knot: Int, deviation: Double) -> [Double] {
    var values = [Double](repeating: 0, count: ticks)
    var from = random.normal() * deviation
    var to = from + random.normal() * deviation
    for tick in 0..<ticks {
      if tick > 0, tick % knot == 0 {
        from = to
        to += random.normal() * deviation
      }
      values[tick] = from + (to - from) * Double(tick % knot) / Double(knot)
    }
    return values
  }
}

/// xoshiro256** (Blackman, Vigna 2018) with the distributions that the data need.
struct Randomness {
  private var state: (UInt64, UInt64, UInt64, UInt64)
  private var spare: Double?

  init(seed: UInt64) {
    var mix = seed
    func next() -> UInt64 {
      mix &+= 0x9E37_79B9_7F4A_7C15
      var z = mix
      z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
      return z ^ (z >> 31)
    }
    state = (next(), next(), next(), next())
  }

  mutating func next() -> UInt64 {
    func rotate(_ x: UInt64, _ k: UInt64) -> UInt64 { (x << k) | (x >> (64 - k)) }
    let result = rotate(state.1 &* 5, 7) &* 9
    let t = state.1 << 17
    state.2 ^= state.0
    state.3 ^= state.1
    state.1 ^= state.2
    state.0 ^= state.3
    state.2 ^= t
    state.3 = rotate(state.3, 45)
    return result
  }

  mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }
  mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
  mutating func exponential(_ mean: Double) -> Double { -mean * log(1 - uniform()) }

  /// Standard normal, polar method (Marsaglia, Bray 1964).
  mutating func normal() -> Double {
    if let value = spare {
      spare = nil
      return value
    }
    while true {
      let (u, v) = (2 * uniform() - 1, 2 * uniform() - 1)
      let s = u * u + v * v
      guard s > 0, s < 1 else { continue }
      let factor = (-2 * log(s) / s).squareRoot()
      spare = v * factor
      return u * factor
    }
  }

  mutating func choose<T>(_ count: Int, of items: [T]) -> [T] {
    var rest = items
    return (0..<count).map { _ in rest.remove(at: below(rest.count)) }
  }
}
