/// A small, fast generator with one seed and the same numbers on every machine.
/// Source: SplitMix64 (Steele, Lea, Flood, 2014).
package struct SimRandom: RandomNumberGenerator, Sendable {
  private var state: UInt64

  package init(seed: UInt64) { state = seed }

  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  /// Uniform in 0 ..< bound; the bias of the remainder does not matter to a test.
  package mutating func below(_ bound: Int) -> Int {
    precondition(bound > 0, "a bound above zero")
    return Int(next() % UInt64(bound))
  }

  package mutating func flip() -> Bool { next() & 1 == 1 }
}
