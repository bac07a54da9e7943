/// Decides what of a disk survives a power-off: at random from a seed, or by a script, so that every
/// outcome can be had in turn.
package struct SimDice: Sendable {
  private var random: SimRandom?
  private let script: [Bool]
  private let isOrderly: Bool
  /// Sectors of 512 bytes that survive together.
  let physicalSectorCount: Int
  /// What was thrown so far.
  package private(set) var thrown: [Bool] = []

  package init(seed: UInt64) {
    var random = SimRandom(seed: seed)
    isOrderly = random.flip()
    physicalSectorCount = random.flip() ? 1 : 8
    self.random = random
    script = []
  }

  /// Throws `script`, then false.
  package init(script: [Bool], physicalSectorCount: Int = 1) {
    self.script = script
    self.physicalSectorCount = physicalSectorCount
    isOrderly = false
  }

  mutating func flip() -> Bool {
    let value = random?.flip() ?? (thrown.count < script.count && script[thrown.count])
    thrown.append(value)
    return value
  }

  /// How many of `count` changes a journal keeps; nil when each survives on its own.
  mutating func orderedPrefix(of count: Int) -> Int? {
    isOrderly ? random?.below(count + 1) : nil
  }

  /// The script after this one in a walk over all outcomes, nil behind the last.
  package var nextScript: [Bool]? {
    guard let last = thrown.lastIndex(of: false) else { return nil }
    return thrown[..<last] + [true]
  }
}
