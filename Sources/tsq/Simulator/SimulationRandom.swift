import Glibc

/// SplitMix64 (Steele, Lea, Flood 2014): small, fast, the same numbers from the same seed anywhere.
struct SimulationRandom: RandomNumberGenerator, Sendable {
  private var state: UInt64

  /// A stream of its own for each `path` below `seed`.
  init(seed: UInt64, path: Int...) {
    state = seed
    for part in path {
      state ^= UInt64(bitPattern: Int64(part)) &* 0x9E37_79B9_7F4A_7C15
      _ = next()
    }
  }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// Within 0 ..< 1.
  mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// Mean 0, deviation 1, within ±3.5: four uniform numbers of 16 bits added up. Good enough for the
  /// noise of a meter at a tenth of the price of a logarithm and a cosine.
  mutating func normal() -> Double {
    let word = next()
    let sum = (word & 0xFFFF) + (word >> 16 & 0xFFFF) + (word >> 32 & 0xFFFF) + (word >> 48)
    return (Double(sum) - 131_070) * 2.642_900_5e-5
  }

  mutating func exponential(mean: Double) -> Double { -mean * log(1 - uniform()) }
}
