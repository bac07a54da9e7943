import Testing

@testable import TSEngine

/// A map over a base answers as a dictionary does, whatever of it is in the base.
@Suite struct LayeredMapTests {
  private func layered(_ entries: [String: Int]) throws -> LayeredMap<Int> {
    var base = LayeredMap<Int>.Base(count: entries.count)
    for (key, value) in entries.sorted(by: { $0.key < $1.key }) { try base.append(key, value) }
    #expect(base.isFull)
    return LayeredMap(base)
  }

  @Test func itIsADictionary() throws {
    for seed in 0..<seedCount(60) {
      let random = SeededRNG(UInt64(seed))
      var model: [String: Int] = [:]
      for _ in 0..<random.below(200) { model["k\(random.below(300))"] = random.below(9) }
      var map = try layered(model)
      let same = try layered(model)
      #expect(map == same)
      let copy = map
      let before = model
      for _ in 0..<random.below(300) {
        let key = "k\(random.below(300))"
        switch random.below(4) {
        case 0: (map[key], model[key]) = (nil, nil)
        case 1: (map[key], model[key]) = (7, 7)
        case 2:
          #expect(map.update(key) { $0 += 5 } == (model[key] != nil), "seed \(seed)")
          model[key]? += 5
        default:
          map[key]? += 1
          model[key]? += 1
        }
        #expect(map[key] == model[key] && map.count == model.count, "seed \(seed)")
      }
      var found: [String: Int] = [:]
      var keys: [String] = []
      map.forEach { key, value in
        keys.append(key)
        found[key] = value
      }
      #expect(found == model && keys == model.keys.sorted(), "seed \(seed)")
      var plain = LayeredMap<Int>()
      for (key, value) in model { plain[key] = value }
      let whole = try layered(model)
      #expect(plain == map && map == whole, "seed \(seed)")
      let kept = try layered(before)
      #expect(copy == kept && (copy == map) == (before == model), "seed \(seed)")
    }
  }

  @Test func entriesOutOfOrderAreDamage() throws {
    var base = LayeredMap<Int>.Base(count: 2)
    try base.append("b", 1)
    #expect(throws: StorageError.self) { try base.append("b", 2) }
    #expect(throws: StorageError.self) { try base.append("a", 2) }
  }
}
