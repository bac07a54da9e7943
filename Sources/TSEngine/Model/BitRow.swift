/// A growing row of bits in 64-bit words, lowest bit first; bits past `count` are 0.
package struct BitRow: Sendable, Equatable {
  package private(set) var words: [UInt64] = []
  package private(set) var count = 0

  package init() {}
  package init(repeating flag: Bool, count: Int) { append(repeating: flag, count: count) }

  /// Takes over words of `count` bits.
  package init(words: [UInt64], count: Int) {
    self.count = count
    self.words = Array(words.prefix((count + 63) / 64))
    if count % 64 != 0, let last = self.words.indices.last {
      self.words[last] &= (1 << UInt64(count % 64)) - 1
    }
  }

  package subscript(index: Int) -> Bool { words[index / 64] >> UInt64(index % 64) & 1 == 1 }

  package mutating func append(_ flag: Bool) {
    if count % 64 == 0 { words.append(0) }
    if flag { words[count / 64] |= 1 << UInt64(count % 64) }
    count += 1
  }

  package mutating func append(repeating flag: Bool, count added: Int) {
    for _ in 0..<added { append(flag) }
  }
}
