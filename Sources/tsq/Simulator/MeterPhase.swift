import Glibc

/// One phase of a power meter, 20 samples a second: appliances that switch, their noise and slow
/// wander, and a voltage that drifts over the day and drops under load.
///
/// About half of the samples are "off" (0 or 1 W), as in households; power is in W up to 4000, pf
/// in 1/1000, voltage in 1/10 V.
struct MeterPhase: Sendable {
  static let samplesPerSecond = 20

  private struct Appliance {
    let watts: Double
    let powerFactor: Double
    let meanOnSeconds: Double
    let meanOffSeconds: Double
    var isOn: Bool
    var level: Double
    var samplesLeft: Int
  }

  private static let kinds: [(watts: Double, powerFactor: Double, on: Double, off: Double)] = [
    (60, 0.62, 300, 600), (150, 0.93, 600, 900), (400, 0.78, 240, 700), (900, 0.985, 90, 500),
    (1500, 0.86, 200, 900), (2000, 0.998, 60, 900), (2400, 0.84, 120, 1200),
  ]
  private static let wanderKnot = 200
  private static let driftKnot = 400

  private var random: SimulationRandom
  private var appliances: [Appliance] = []
  private var power = 0.0
  private var powerFactor = 0.0
  private var noise = 0.0
  private var samplesToSwitch = 0
  private var wander = 0.0
  private var wanderStep = 0.0
  private var drift = 0.0
  private var driftStep = 0.0
  private let baseVoltage: Double
  /// A sag of 1.2 V over the hour, at a moment of its own.
  private let sagPhase: Double
  private var sample = 0

  init(seed: UInt64, sensor: Int, probe: Int) {
    random = SimulationRandom(seed: seed, path: sensor, probe)
    baseVoltage = 2300 + random.normal() * 12
    sagPhase = random.uniform()
    let count = Int.random(in: 1...5, using: &random)
    for kind in Self.kinds.shuffled(using: &random).prefix(count) {
      var appliance = Appliance(
        watts: kind.watts * (0.85 + 0.3 * random.uniform()),
        powerFactor: min(1, kind.powerFactor + random.normal() * 0.01),
        meanOnSeconds: kind.on, meanOffSeconds: kind.off,
        isOn: random.uniform() < kind.on / (kind.on + kind.off), level: 0, samplesLeft: 0)
      arm(&appliance)
      appliances.append(appliance)
    }
    settle()
  }

  /// The next second's samples, appended to the three columns.
  mutating func second(power: inout [Int64], pf: inout [Int64], voltage: inout [Int64]) {
    let sag = 12 * sin(2 * .pi * (Double(sample) / 72_000 + sagPhase))
    for _ in 0..<Self.samplesPerSecond {
      if samplesToSwitch == 0 { switchAppliances() }
      if sample % Self.wanderKnot == 0 { wanderStep = random.normal() * 0.8 / Double(Self.wanderKnot) }
      if sample % Self.driftKnot == 0 { driftStep = random.normal() * 1.5 / Double(Self.driftKnot) }
      wander += wanderStep
      drift += driftStep
      let isOn = self.power > 0
      let watts = isOn ? self.power + random.normal() * noise + wander : (random.uniform() < 0.12 ? 1 : 0)
      let factor = isOn ? powerFactor + random.normal() * 3 : abs(random.normal() * 0.6)
      let volts = baseVoltage + drift + sag - self.power * 0.006 + random.normal() * 2.5
      power.append(Int64(min(max(watts.rounded(), 0), 4000)))
      pf.append(Int64(min(max(factor.rounded(), 0), 1000)))
      voltage.append(Int64(min(max(volts.rounded(), 2150), 2450)))
      sample += 1
      samplesToSwitch -= 1
    }
  }

  // MARK: - Switching

  private mutating func arm(_ appliance: inout Appliance) {
    let mean = appliance.isOn ? appliance.meanOnSeconds : appliance.meanOffSeconds
    appliance.samplesLeft = Int(random.exponential(mean: mean) * Double(Self.samplesPerSecond)) + 20
    appliance.level = appliance.isOn ? appliance.watts * (1 + random.normal() * 0.03) : 0
  }

  private mutating func switchAppliances() {
    for index in appliances.indices where appliances[index].samplesLeft == 0 {
      var appliance = appliances[index]
      appliance.isOn.toggle()
      arm(&appliance)
      appliances[index] = appliance
    }
    settle()
  }

  /// What the appliances draw together until the next one switches.
  private mutating func settle() {
    samplesToSwitch = appliances.map(\.samplesLeft).min() ?? .max
    var (watts, voltAmperes, variance) = (0.0, 0.0, 0.0)
    for index in appliances.indices {
      appliances[index].samplesLeft -= samplesToSwitch
      guard appliances[index].isOn else { continue }
      let level = appliances[index].level
      watts += level
      voltAmperes += level / appliances[index].powerFactor
      variance += (1.2 + level * 0.0008) * (1.2 + level * 0.0008)
    }
    power = min(watts, 4000)
    powerFactor = voltAmperes > 0 ? 1000 * watts / voltAmperes : 0
    noise = variance.squareRoot()
  }
}
