import Glibc
import Query

/// Where the marks of an axis lie: round numbers, or round times.
struct AxisScale {
  let lower: Double
  let upper: Double
  let marks: [Double]
  private let step: Double
  private let isTime: Bool

  /// Marks at 1, 2 or 5 times a power of ten; the bounds are moved out to the next marks.
  init(values lower: Double, _ upper: Double, markCount: Int) {
    let span = upper > lower ? upper - lower : max(abs(upper), 1)
    let step = Self.roundStep(span / Double(max(1, markCount)))
    let first = (lower / step).rounded(.down) * step
    let last = max((upper / step).rounded(.up) * step, first + step)
    self.init(first, last, step: step, isTime: false)
  }

  /// Marks at round UTC times within the bounds; both are nanoseconds since the epoch.
  init(times lower: Double, _ upper: Double, markCount: Int) {
    let seconds: [Double] = [
      0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600,
      43_200, 86_400, 172_800, 604_800, 1_209_600, 2_592_000, 7_776_000, 31_536_000,
    ]
    let upper = max(upper, lower + 1)
    let wanted = (upper - lower) / Double(max(1, markCount)) / 1e9
    let step = (seconds.first { $0 >= wanted } ?? Self.roundStep(wanted)) * 1e9
    self.init(lower, upper, step: step, isTime: true)
  }

  private init(_ lower: Double, _ upper: Double, step: Double, isTime: Bool) {
    self.lower = lower
    self.upper = upper
    self.step = step
    self.isTime = isTime
    var marks: [Double] = []
    var index = (lower / step).rounded(.up)
    while index * step <= upper + step * 1e-9, marks.count < 1000 {
      marks.append(index * step)
      index += 1
    }
    self.marks = marks
  }

  /// 0 at `lower`, 1 at `upper`.
  func position(_ value: Double) -> Double { (value - lower) / (upper - lower) }

  func label(_ mark: Double) -> String { isTime ? timeLabel(mark) : Self.number(mark, step: step) }

  private func timeLabel(_ mark: Double) -> String {
    let parts = TimestampText.parts(of: Int64(clamping: mark))
    func two(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }
    if step >= 86_400e9 { return "\(parts.year)-\(two(parts.month))-\(two(parts.day))" }
    let clock = "\(two(parts.hour)):\(two(parts.minute))"
    if step >= 60e9 {
      return parts.hour == 0 && parts.minute == 0 ? "\(two(parts.month))-\(two(parts.day))" : clock
    }
    let seconds = "\(clock):\(two(parts.second))"
    guard step < 1e9 else { return seconds }
    let hundredths = parts.nanos / 10_000_000
    return "\(seconds).\(two(hundredths))"
  }

  /// `value` with the decimals that steps of `step` need.
  static func number(_ value: Double, step: Double) -> String {
    guard abs(value) < 1e15 else { return "\(value)" }
    let decimals = step >= 1 ? 0 : min(9, Int((-log10(step)).rounded(.up)))
    let scale = pow(10, Double(decimals))
    let scaled = Int64((abs(value) * scale).rounded())
    let sign = value < 0 && scaled != 0 ? "-" : ""
    guard decimals > 0 else { return "\(sign)\(scaled)" }
    let fraction = "\(scaled % Int64(scale))"
    return "\(sign)\(scaled / Int64(scale))."
      + String(repeating: "0", count: decimals - fraction.count) + fraction
  }

  private static func roundStep(_ wanted: Double) -> Double {
    guard wanted > 0, wanted.isFinite else { return 1 }
    let power = pow(10, log10(wanted).rounded(.down))
    let factor = [1, 2, 5, 10].first { $0 * power >= wanted * 0.999_999 } ?? 10
    return factor * power
  }
}

extension Int64 {
  /// The nearest Int64; NaN is 0.
  init(clamping value: Double) {
    if value.isNaN {
      self = 0
    } else if value >= 9.2233720368547748e18 {
      self = .max
    } else if value <= -9.2233720368547758e18 {
      self = .min
    } else {
      self = Int64(value)
    }
  }
}
