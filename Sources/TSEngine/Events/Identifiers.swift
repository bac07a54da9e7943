/// Identifiers that stand in events. Each has one text form, and bytes from a log or a request
/// become one only through a check.

/// Names an event for ever, also in a copy of the log that numbers it otherwise. Random.
package struct EventID: Hashable, Sendable {
  package var high: UInt64
  package var low: UInt64

  package init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// 32 lower-case hex digits.
  package var text: String { Hex.text(high) + Hex.text(low) }
}

/// A user as the registry knows one: opaque, so that history can outlive the person's name.
package struct UserID: Hashable, Sendable, Comparable {
  package var raw: UInt64

  package init(_ raw: UInt64) { self.raw = raw }

  /// The owner of every device that is nobody's (L-03). The same in every store.
  package static let parked = UserID(1)
  /// Below lie fixed ids; those of people are drawn at random from here up.
  package static let firstRandom: UInt64 = 1 << 32

  /// 16 lower-case hex digits.
  package var text: String { Hex.text(raw) }
  package static func < (a: UserID, b: UserID) -> Bool { a.raw < b.raw }
}

/// What a person types to make a device theirs: 128 random bits, 32 lower-case hex digits (L-20).
package struct AssociationCode: Hashable, Sendable {
  package var high: UInt64
  package var low: UInt64

  package static let digitCount = 32
  /// What a device's display shows, and the shortest prefix that may claim (L-22).
  package static let shownDigitCount = 6

  package init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// Nil unless `text` is exactly 32 lower-case hex digits.
  package init?(_ text: String) {
    guard text.utf8.count == Self.digitCount, let prefix = CodePrefix(text) else { return nil }
    self.init(high: prefix.high, low: prefix.low)
  }

  package var text: String { Hex.text(high) + Hex.text(low) }
  /// The first six digits as a number: the key of the prefix index.
  package var shown: UInt32 { UInt32(truncatingIfNeeded: high >> 40) }
}

/// The first digits of an association code, 6 to 32 of them.
package struct CodePrefix: Hashable, Sendable {
  /// Left-aligned; digits that were not given are zero.
  package let high: UInt64
  package let low: UInt64
  private let highMask: UInt64
  private let lowMask: UInt64

  /// Nil unless `text` is 6 to 32 lower-case hex digits.
  package init?(_ text: String) {
    let digits = text.utf8.count
    guard (AssociationCode.shownDigitCount...AssociationCode.digitCount).contains(digits) else {
      return nil
    }
    var (high, low): (UInt64, UInt64) = (0, 0)
    for (index, byte) in text.utf8.enumerated() {
      guard let digit = Hex.value(byte) else { return nil }
      if index < 16 {
        high |= digit << UInt64(60 - 4 * index)
      } else {
        low |= digit << UInt64(60 - 4 * (index - 16))
      }
    }
    self.high = high
    self.low = low
    // A shift by the full width is zero, which is the mask of no digits.
    highMask = ~UInt64(0) << UInt64(64 - 4 * min(digits, 16))
    lowMask = ~UInt64(0) << UInt64(64 - 4 * max(digits - 16, 0))
  }

  package var shown: UInt32 { UInt32(truncatingIfNeeded: high >> 40) }

  package func matches(_ code: AssociationCode) -> Bool {
    code.high & highMask == high && code.low & lowMask == low
  }
}

package enum DeviceID {
  /// `[A-Za-z0-9._-]{1,128}`: nothing that means something in a topic pattern or a path (S8).
  package static func isValid(_ text: String) -> Bool {
    let utf8 = text.utf8
    guard (1...128).contains(utf8.count) else { return false }
    return utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "-"):
        true
      default: false
      }
    }
  }

  /// A LAMPI's: a MAC without colons, 1 to 12 lower-case hex digits (L-01).
  package static func isLampi(_ text: String) -> Bool {
    (1...12).contains(text.utf8.count) && text.utf8.allSatisfy { Hex.value($0) != nil }
  }
}

package enum Hex {
  private static let digits = Array("0123456789abcdef".utf8)

  /// The value of a lower-case hex digit, or nil.
  package static func value(_ byte: UInt8) -> UInt64? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt64(byte &- UInt8(ascii: "0"))
    case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt64(byte &- UInt8(ascii: "a") &+ 10)
    default: nil
    }
  }

  package static func text(_ value: UInt64) -> String {
    var rest = value.byteSwapped
    var bytes: [UInt8] = []
    bytes.reserveCapacity(8)
    for _ in 0..<8 {
      bytes.append(UInt8(truncatingIfNeeded: rest))
      rest >>= 8
    }
    return text(bytes)
  }

  package static func text(_ bytes: [UInt8]) -> String {
    var out: [UInt8] = []
    out.reserveCapacity(bytes.count * 2)
    for byte in bytes {
      out.append(digits[Int(byte >> 4)])
      out.append(digits[Int(byte & 15)])
    }
    return String(decoding: out, as: UTF8.self)
  }
}
