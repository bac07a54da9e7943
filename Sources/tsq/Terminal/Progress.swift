import Glibc

/// One line on standard error that is drawn over, at most ten times a second; nothing when
/// standard error is no terminal.
final class Progress {
  private let isShown = Terminal.isTerminal(STDERR_FILENO) && System.environment("TERM") != "dumb"
  private let started = System.monotonicNanos()
  private var drawn: Int64 = 0

  var elapsedSeconds: Double { Double(System.monotonicNanos() - started) / 1e9 }

  func show(_ text: () -> String) {
    guard isShown else { return }
    let now = System.monotonicNanos()
    guard now - drawn >= 100_000_000 else { return }
    drawn = now
    let width = (Terminal.size(STDERR_FILENO)?.columns ?? 80) - 1
    put("\r\u{1B}[K" + DisplayWidth.truncate(text(), to: width))
  }

  func clear() {
    guard isShown, drawn > 0 else { return }
    drawn = 0
    put("\r\u{1B}[K")
  }

  private func put(_ text: String) {
    var bytes = Array(text.utf8)
    try? FileSink(descriptor: STDERR_FILENO).writeThrough(&bytes)
  }
}
