import Glibc
import TSEngine

/// How many bits ALP would take: the sizes of its vectors, not a codec.
///
/// - Source: Afroozeh, Kuffó, Boncz, "ALP: Adaptive Lossless floating-Point Compression", SIGMOD 2023, and its
///   code, `cwida/ALP`. Each vector of 1,024 values gets the best of eight pairs of exponents, which some 32 of
///   its values choose among all; published are five pairs a row group, chosen by samples, so no vector comes out
///   smaller there. ALP-RD likewise cuts each vector at its best place; published is one cut a row group, and so
///   is the dictionary, whose bits are left out here for that.
enum AlpSize {
  private static let vectorCount = 1024
  private static let powers: [Double] = (0...18).map { pow(10, Double($0)) }
  private static let inverses: [Double] = powers.map { 1 / $0 }
  /// Exponent, factor, width, count of exceptions; and the base of the frame.
  private static let headerBits = 8 + 8 + 8 + 16 + 64
  /// Position and value.
  private static let exceptionBits = 16 + 64
  /// What carries a double to the nearest integer and back, as the paper rounds.
  private static let magic = Double((Int64(1) << 51) + (Int64(1) << 52))

  /// Bits a value; of ALP, and of ALP-RD, the form for what is no decimal.
  static func bits(_ blocks: [[Int64]]) -> (alp: Double, rd: Double) {
    var (alp, rd, count) = (0, 0, 0)
    for block in blocks {
      for start in stride(from: 0, to: block.count, by: vectorCount) {
        let vector = block[start..<min(start + vectorCount, block.count)].map {
          Double(bitPattern: UInt64(bitPattern: $0))
        }
        count += vector.count
        alp += alpBits(vector)
        rd += rdBits(vector)
      }
    }
    let total = Double(max(count, 1))
    return (Double(alp) / total, Double(rd) / total)
  }

  private static func alpBits(_ vector: [Double]) -> Int {
    let sample = stride(from: 0, to: vector.count, by: max(1, vector.count / 32)).map { vector[$0] }
    var ranked: [(bits: Int, e: Int, f: Int)] = []
    for e in 0...18 {
      for f in 0...e { ranked.append((packed(sample, e, f), e, f)) }
    }
    ranked.sort { $0.bits < $1.bits }
    return ranked.prefix(8).map { packed(vector, $0.e, $0.f) }.min() ?? 0
  }

  private static func packed(_ vector: [Double], _ e: Int, _ f: Int) -> Int {
    var (low, high, exceptions) = (Int64.max, Int64.min, 0)
    for value in vector {
      let rounded = (value * powers[e] * inverses[f] + magic) - magic
      guard let digits = Int64(exactly: rounded),
        (Double(digits) * powers[f] * inverses[e]).bitPattern == value.bitPattern
      else {
        exceptions += 1
        continue
      }
      low = min(low, digits)
      high = max(high, digits)
    }
    let width = low > high ? 0 : 64 - UInt64(bitPattern: high &- low).leadingZeroBitCount
    return headerBits + vector.count * width + exceptions * exceptionBits
  }

  /// The left 1 to 16 bits by a dictionary of at most eight, the others as they are.
  private static func rdBits(_ vector: [Double]) -> Int {
    (1...16).map { left -> Int in
      var counts: [UInt64: Int] = [:]
      for value in vector { counts[value.bitPattern >> UInt64(64 - left), default: 0] += 1 }
      return (0...3).map { bits -> Int in
        let known = counts.values.sorted(by: >).prefix(1 << bits).reduce(0, +)
        return 8 + 16 + vector.count * (bits + 64 - left) + (vector.count - known) * 32
      }.min() ?? 0
    }.min() ?? 0
  }
}
