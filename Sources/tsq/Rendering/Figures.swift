/// Figures for a person: `1,234,567`, `12.3 M`, `4.5 MiB`, `1.2 ms`.
enum Figures {
  static func grouped(_ number: some BinaryInteger) -> String {
    let digits = Array("\(number)")
    var out = ""
    for (index, digit) in digits.enumerated() {
      let left = digits.count - index
      if index > 0, left % 3 == 0, digits[index - 1] != "-" { out += "," }
      out.append(digit)
    }
    return out
  }

  /// Three significant digits with k, M or G.
  static func short(_ value: Double) -> String {
    let (scaled, unit): (Double, String) =
      switch abs(value) {
      case 1e9...: (value / 1e9, " G")
      case 1e6...: (value / 1e6, " M")
      case 1e3...: (value / 1e3, " k")
      default: (value, "")
      }
    return threeDigits(scaled) + unit
  }

  static func bytes(_ count: Int) -> String {
    var value = Double(count)
    for unit in ["B", "KiB", "MiB", "GiB"] {
      if abs(value) < 1024 { return unit == "B" ? "\(count) B" : "\(threeDigits(value)) \(unit)" }
      value /= 1024
    }
    return "\(threeDigits(value)) TiB"
  }

  static func duration(nanos: Int64) -> String {
    let value = Double(nanos)
    switch value {
    case ..<1e3: return "\(nanos) ns"
    case ..<1e6: return "\(threeDigits(value / 1e3)) µs"
    case ..<1e9: return "\(threeDigits(value / 1e6)) ms"
    case ..<60e9: return "\(threeDigits(value / 1e9)) s"
    default:
      let seconds = nanos / 1_000_000_000
      return seconds < 3600
        ? "\(seconds / 60) min \(seconds % 60) s" : "\(seconds / 3600) h \(seconds / 60 % 60) min"
    }
  }

  private static func threeDigits(_ value: Double) -> String {
    AxisScale.number(value, step: abs(value) >= 100 ? 1 : abs(value) >= 10 ? 0.1 : 0.01)
  }
}
