/// The cold form of a section: an entropy coder whose tables are chosen by context. Smaller than
/// pages by a fifth, but the whole section is decoded to read one value, so compaction takes it
/// for data that are seldom read. Docs/FORMAT.md (9.6) has the bytes.
///
/// Each value is predicted by a running level and coded as its distance from it. What distances
/// to expect tells the *activity*, a running mean of the sizes of the last few: while a load is
/// off it is next to nothing, under noise it is a few units, and each has a table of its own. A
/// distance far above the activity is a switched load: the level jumps to the value.
///
/// The values are cut into four lanes, coded in turn, so that a processor decodes four values at
/// a time though each needs the one before.
///
/// Sources: J. Duda, "Asymmetric numeral systems", 2013; F. Giesen, "Interleaved entropy coders",
/// 2014; the bins with offsets are those of pcodec (M. Loncaric, 2023) and HDR histograms.
enum ColdShape {
  static let laneCount = 4
  /// Frequencies of a table add up to 2^this.
  static let tableBits = 10
  static let slotCount = 1 << tableBits
  /// Fraction bits of the level.
  static let levelFraction: Int64 = 8
  /// Fraction bits of the activity, a mean of symbols: it stays below 4,096.
  static let activityFraction = 4
  static let activityCount = 256 << activityFraction
  static let symbolCount = 256
  /// A coder's state is from here to 2^32 - 1, and takes 16 bits when it falls below.
  static let stateFloor: UInt32 = 1 << 16
  /// Fewer values are not worth the tables.
  static let minimumCount = 64

  static let classCount = 32
  /// The least activity of each class, all multiples of 4.
  static let classStarts: [Int] =
    [0, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192] + (0..<20).map { 256 + 32 * $0 }
}

/// What a section's model is tuned with.
struct ColdModel: Sendable, Equatable {
  /// The level moves by distance / 2^levelShift, 0 ... 7: 0 takes the value itself.
  var levelShift = 3
  /// The activity moves likewise, 1 ... 7.
  var activityShift = 3
  /// The level jumps to a value whose symbol is more than this above the activity.
  var jump = 16
  /// Added to the level after each value: what a clock advances by.
  var step: Int64 = 0
}

/// The running state of one lane; the same sums in encoder and decoder, wrapping where they must.
struct ColdLane {
  /// Scaled by 2^levelFraction.
  private(set) var level: Int64
  /// Scaled by 2^activityFraction; 0 ..< 4,096 whatever symbols come.
  private(set) var activity = 0

  init(first: Int64) { level = first &<< ColdShape.levelFraction }

  @inline(__always) var prediction: Int64 {
    (level &+ (1 &<< (ColdShape.levelFraction &- 1))) &>> ColdShape.levelFraction
  }

  @inline(__always) mutating func take(
    _ unit: Int64, symbol: Int, levelShift: Int64, activityShift: Int, jump: Int, step: Int64
  ) {
    let scaled = unit &<< ColdShape.levelFraction
    let moved = level &+ ((scaled &- level) &>> levelShift)
    let size = symbol &<< ColdShape.activityFraction
    level = (size > activity &+ jump ? scaled : moved) &+ step
    activity = activity &+ ((size &- activity) &>> activityShift)
  }
}

/// Distances as symbols: zigzag numbers below 16 are themselves; above, four symbols share each
/// power of two and the rest follows as plain bits.
enum DistanceCode {
  @inline(__always) static func zigzag(_ distance: Int64) -> UInt64 {
    UInt64(bitPattern: (distance &<< 1) ^ (distance &>> 63))
  }

  @inline(__always) static func distance(_ zigzag: UInt64) -> Int64 {
    Int64(bitPattern: (zigzag &>> 1) ^ (0 &- (zigzag & 1)))
  }

  /// The symbol, 0 ... 255, of a zigzag number.
  @inline(__always) static func symbol(_ zigzag: UInt64) -> Int {
    if zigzag < 16 { return Int(truncatingIfNeeded: zigzag) }
    let top = 63 &- zigzag.leadingZeroBitCount
    return 16 &+ (top &- 4) &* 4 &+ Int(truncatingIfNeeded: zigzag &>> UInt64(top &- 2) & 3)
  }

  /// Plain bits that follow `symbol`, 0 ... 61.
  @inline(__always) static func extraBits(_ symbol: Int) -> Int {
    symbol < 16 ? 0 : (symbol &- 16) &>> 2 &+ 2
  }

  /// The least zigzag number of `symbol`.
  @inline(__always) static func base(_ symbol: Int) -> UInt64 {
    symbol < 16
      ? UInt64(symbol) : UInt64(4 &+ (symbol & 3)) &<< UInt64((symbol &- 16) &>> 2 &+ 2)
  }
}
