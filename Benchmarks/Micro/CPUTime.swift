import Glibc

/// Processor time of this process in seconds: what others on the machine do does not count.
func cpuSeconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

/// The least processor time of `runs` runs, which is the one least disturbed.
func leastCPUSeconds(_ runs: Int, _ body: () throws -> Void) rethrows -> Double {
  var least = Double.infinity
  for _ in 0..<runs {
    let started = cpuSeconds()
    try body()
    least = min(least, cpuSeconds() - started)
  }
  return least
}

extension String {
  func padded(_ width: Int) -> String {
    self + String(repeating: " ", count: max(1, width - count))
  }
}

/// A number with so many digits behind the point, right-aligned.
func figure(_ value: Double, _ digits: Int, width: Int) -> String {
  var scale = 1.0
  for _ in 0..<digits { scale *= 10 }
  var text = "\(Int64((value * scale).rounded()))"
  if digits > 0 {
    while text.count <= digits { text = "0" + text }
    text.insert(".", at: text.index(text.endIndex, offsetBy: -digits))
  }
  return String(repeating: " ", count: max(0, width - text.count)) + text
}
