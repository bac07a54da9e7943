/// Eight bytes of text looked at as one word (SWAR): how many lead as digits, and their value.
/// - Source: D. Lemire, "Quickly parsing eight digits" (2018); the classic carry test for ranges.
enum DigitWord {
  /// Digits at the front of `word` (first byte lowest), 0 ... 8.
  @inline(__always) static func leadingDigits(_ word: UInt64) -> Int {
    let x = word ^ 0x3030_3030_3030_3030
    // A byte above 9 sets its high bit; a carry only reaches bytes behind the first such one.
    let other = ((x &+ 0x7676_7676_7676_7676) | x) & 0x8080_8080_8080_8080
    return other.trailingZeroBitCount >> 3
  }

  /// The number spelt by the first `count` bytes. Precondition: 1 ... 8, all digits.
  @inline(__always) static func value(_ word: UInt64, count: Int) -> Int64 {
    var x = (word ^ 0x3030_3030_3030_3030) &<< UInt64((8 &- count) &* 8)
    x = (x &* 10) &+ (x &>> 8)
    let low = (x & 0x0000_00FF_0000_00FF) &* 0x000F_4240_0000_0064
    let high = ((x &>> 16) & 0x0000_00FF_0000_00FF) &* 0x0000_2710_0000_0001
    return Int64((low &+ high) &>> 32)
  }
}
