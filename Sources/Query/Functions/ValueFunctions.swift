import Glibc

/// Functions that look at one value at a time: texts, casts, and what is too rare for a kernel.
/// They see no NULL: a strict function of NULL is NULL before it is called.
typealias ValueFunction = @Sendable ([SQLValue]) throws(SQLError) -> SQLValue

enum ValueFunctions {
  /// The implementation of a function of texts; nil for those that have a kernel of their own.
  static func function(_ function: ScalarFunction) -> ValueFunction? {
    switch function {
    case .lower: { a in .text(text(a[0]).lowercased()) }
    case .upper: { a in .text(text(a[0]).uppercased()) }
    case .length: { a in .int(Int64(text(a[0]).unicodeScalars.count)) }
    case .reverse: { a in .text(String(String.UnicodeScalarView(text(a[0]).unicodeScalars.reversed()))) }
    case .concatStrict: { a in .text(text(a[0]) + text(a[1])) }
    case .substring: substring
    case .trim: { a in .text(trimmed(a, leading: true, trailing: true)) }
    case .trimLeading: { a in .text(trimmed(a, leading: true, trailing: false)) }
    case .trimTrailing: { a in .text(trimmed(a, leading: false, trailing: true)) }
    case .replace: { a in .text(replacing(text(a[0]), text(a[1]), text(a[2]))) }
    case .startsWith: { a in .bool(text(a[0]).utf8.starts(with: text(a[1]).utf8)) }
    case .position: { a in .int(position(of: text(a[0]), in: text(a[1]))) }
    case .left: { a in .text(prefix(text(a[0]), int(a[1]))) }
    case .right: { a in .text(suffix(text(a[0]), int(a[1]))) }
    case .splitPart: splitPart
    case .like(let insensitive): { (a) throws(SQLError) in try like(a, insensitive) }
    case .regex(let insensitive): { (a) throws(SQLError) in try regex(a, insensitive) }
    case .roundTo: { a in .float(rounded(float(a[0]), int(a[1]))) }
    default: nil
    }
  }

  static func text(_ value: SQLValue) -> String { value.text ?? "" }
  private static func int(_ value: SQLValue) -> Int64 { if case .int(let number) = value { number } else { 0 } }
  private static func float(_ value: SQLValue) -> Double {
    switch value {
    case .float(let number): number
    case .int(let number): Double(number)
    default: 0
    }
  }

  /// substr(text, start [, count]), counting scalars from 1.
  private static func substring(_ a: [SQLValue]) throws(SQLError) -> SQLValue {
    let scalars = text(a[0]).unicodeScalars
    let start = int(a[1])
    var end = Int64.max
    if a.count > 2 {
      guard int(a[2]) >= 0 else { throw SQLError(.invalidParameterValue, "a negative length of a substring") }
      end = start.addingReportingOverflow(int(a[2])).overflow ? .max : start + int(a[2])
    }
    let low = Int(clamping: max(start, 1) - 1)
    let high = Int(clamping: max(end, 1) - 1)
    guard high > low, low < scalars.count else { return .text("") }
    return .text(String(String.UnicodeScalarView(scalars.dropFirst(low).prefix(high - low))))
  }

  private static func trimmed(_ a: [SQLValue], leading: Bool, trailing: Bool) -> String {
    let set = Set((a.count > 1 ? text(a[1]) : " ").unicodeScalars)
    var scalars = text(a[0]).unicodeScalars[...]
    if leading { scalars = scalars.drop { set.contains($0) } }
    if trailing { while let last = scalars.last, set.contains(last) { scalars.removeLast() } }
    return String(scalars)
  }

  private static func replacing(_ text: String, _ from: String, _ to: String) -> String {
    guard !from.isEmpty else { return text }
    let (source, wanted, other) = (Array(text.utf8), Array(from.utf8), Array(to.utf8))
    var result: [UInt8] = []
    var at = 0
    while at < source.count {
      if source[at...].starts(with: wanted) {
        result += other
        at += wanted.count
      } else {
        result.append(source[at])
        at += 1
      }
    }
    return String(decoding: result, as: UTF8.self)
  }

  /// From 1, in scalars; 0 when absent.
  private static func position(of part: String, in whole: String) -> Int64 {
    let (source, wanted) = (Array(whole.unicodeScalars), Array(part.unicodeScalars))
    guard wanted.count <= source.count else { return 0 }
    for start in 0...(source.count - wanted.count) where source[start...].starts(with: wanted) {
      return Int64(start + 1)
    }
    return 0
  }

  /// left(text, n); a negative n leaves out the last −n.
  private static func prefix(_ text: String, _ count: Int64) -> String {
    let scalars = text.unicodeScalars
    let kept = count >= 0 ? Int(clamping: count) : max(0, scalars.count + Int(clamping: max(count, -(1 << 40))))
    return String(String.UnicodeScalarView(scalars.prefix(kept)))
  }

  private static func suffix(_ text: String, _ count: Int64) -> String {
    let scalars = text.unicodeScalars
    let kept = count >= 0 ? Int(clamping: count) : max(0, scalars.count + Int(clamping: max(count, -(1 << 40))))
    return String(String.UnicodeScalarView(scalars.suffix(kept)))
  }

  private static func splitPart(_ a: [SQLValue]) throws(SQLError) -> SQLValue {
    let (source, wanted) = (Array(text(a[0]).utf8), Array(text(a[1]).utf8))
    let field = int(a[2])
    guard field != 0 else { throw SQLError(.invalidParameterValue, "the field of split_part is counted from 1") }
    var parts: [String] = []
    var (start, at) = (0, 0)
    while !wanted.isEmpty, at < source.count {
      if source[at...].starts(with: wanted) {
        parts.append(String(decoding: source[start..<at], as: UTF8.self))
        at += wanted.count
        start = at
      } else {
        at += 1
      }
    }
    parts.append(String(decoding: source[start...], as: UTF8.self))
    let index = field > 0 ? field - 1 : Int64(parts.count) + field
    return .text(index >= 0 && index < Int64(parts.count) ? parts[Int(index)] : "")
  }

  /// text, pattern [, escape].
  private static func like(_ a: [SQLValue], _ insensitive: Bool) throws(SQLError) -> SQLValue {
    var escape: Unicode.Scalar? = "\\"
    if a.count > 2 {
      let scalars = text(a[2]).unicodeScalars
      guard scalars.count <= 1 else { throw SQLError(.invalidEscape, "an escape is one character or none") }
      escape = scalars.first
    }
    guard let pattern = LikePattern(text(a[1]), escape: escape, caseInsensitive: insensitive) else {
      throw SQLError(.invalidEscape, "a LIKE pattern must not end with its escape character")
    }
    return .bool(pattern.matches(text(a[0])))
  }

  private static func regex(_ a: [SQLValue], _ insensitive: Bool) throws(SQLError) -> SQLValue {
    guard let pattern = RegexPattern(text(a[1]), caseInsensitive: insensitive) else {
      throw SQLError(
        SQLState("2201B"), "not a regular expression of this dialect",
        hint: "literals . [ ] ( | ) * + ? {m,n} ^ $ \\d \\w \\s are known")
    }
    return .bool(pattern.matches(text(a[0])))
  }

  /// Half away from zero at `digits` decimal places.
  private static func rounded(_ value: Double, _ digits: Int64) -> Double {
    let scale = Glibc.pow(10, Double(min(max(digits, -300), 300)))
    let scaled = (value * scale).rounded(.toNearestOrAwayFromZero)
    return scaled.isFinite && scale != 0 ? scaled / scale : value
  }
}

func powerOf(_ x: Double, _ y: Double) -> Double { Glibc.pow(x, y) }

// MARK: - Casts

extension ValueFunctions {
  /// `value` as `type`.
  /// - Throws: 22P02, 22003, 22007 where the text or number does not fit the type.
  static func cast(_ value: SQLValue, to type: SQLType) throws(SQLError) -> SQLValue {
    switch (value, type) {
    case (.null, _): return .null
    case (_, .text): return .text(value.text ?? "")
    case (.text(let text), _): return try parse(text, as: type)
    case (.int(let number), .float): return .float(Double(number))
    case (.int(let number), .wide): return .wide(Int128(number))
    case (.int(let number), .bool): return .bool(number != 0)
    case (.bool(let flag), .int): return .int(flag ? 1 : 0)
    case (.wide(let number), .float): return .float(Double(number))
    case (.wide(let number), .int):
      guard let narrow = Int64(exactly: number) else { throw .integerOverflow() }
      return .int(narrow)
    case (.float(let number), .int):
      guard let narrow = Int64(exactly: number.rounded(.toNearestOrEven)) else { throw .integerOverflow() }
      return .int(narrow)
    case (.float(let number), .wide):
      guard number.isFinite, let wide = Int128(exactly: number.rounded(.toNearestOrEven)) else { throw .integerOverflow() }
      return .wide(wide)
    default:
      guard value.type == type else {
        throw SQLError(.datatypeMismatch, "cannot cast \(value.type.rawValue) to \(type.rawValue)")
      }
      return value
    }
  }

  /// The value that `text` spells, spaces around it aside.
  static func parse(_ text: String, as type: SQLType) throws(SQLError) -> SQLValue {
    var scalars = text.unicodeScalars[...]
    scalars = scalars.drop { $0 == " " }
    while scalars.last == " " { scalars.removeLast() }
    let word = String(scalars)
    let value: SQLValue? =
      switch type {
      case .int: Int64(word).map { .int($0) }
      case .wide: Int128(word).map { .wide($0) }
      case .float: parseFloat(word).map { .float($0) }
      case .bool: parseBool(word.lowercased()).map { .bool($0) }
      case .timestamp: TimestampText.parse(word).map { .timestamp($0) }
      case .interval: Interval(text: word).map { .interval($0) }
      case .text, .null: .text(text)
      }
    if let value { return value }
    let state: SQLState = type == .timestamp || type == .interval ? .invalidDatetime : .invalidText
    throw SQLError(state, "this text is no \(type.rawValue)")
  }

  private static func parseFloat(_ word: String) -> Double? {
    switch word.lowercased() {
    case "nan": .nan
    case "infinity", "inf", "+infinity": .infinity
    case "-infinity", "-inf": -.infinity
    default: Double(word)
    }
  }

  private static func parseBool(_ word: String) -> Bool? {
    switch word {
    case "t", "true", "y", "yes", "on", "1": true
    case "f", "false", "n", "no", "off", "0": false
    default: nil
    }
  }
}
