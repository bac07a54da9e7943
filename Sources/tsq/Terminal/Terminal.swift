import Glibc
import Query

/// What stands behind a file descriptor: colour, progress and paging are for terminals only.
enum Terminal {
  static func isTerminal(_ descriptor: Int32) -> Bool { isatty(descriptor) == 1 }

  /// Columns and rows, when `descriptor` is a terminal that says so.
  static func size(_ descriptor: Int32 = STDOUT_FILENO) -> (columns: Int, rows: Int)? {
    var size = winsize()
    guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
      return nil
    }
    return (Int(size.ws_col), Int(size.ws_row))
  }

  /// https://no-color.org; a dumb terminal shows no colour either.
  static func hasColour(_ descriptor: Int32) -> Bool {
    isTerminal(descriptor) && System.environment("NO_COLOR") == nil
      && System.environment("TERM") != "dumb"
  }

  /// How answers look on standard output as it stands.
  static var outputStyle: OutputStyle {
    guard isTerminal(STDOUT_FILENO) else { return .plain }
    return OutputStyle(colour: hasColour(STDOUT_FILENO), width: size()?.columns)
  }

  /// A line on standard error.
  static func note(_ text: String) {
    var bytes = Array((text + "\n").utf8)
    try? FileSink(descriptor: STDERR_FILENO).writeThrough(&bytes)
  }

  static func error(_ sentence: String) {
    let label = hasColour(STDERR_FILENO) ? ANSI.red + "tsq:" + ANSI.reset : "tsq:"
    note("\(label) \(sentence)")
  }
}

extension FileSink {
  func writeThrough(_ bytes: inout [UInt8]) throws(OutputError) {
    try write(&bytes)
    try flush()
  }
}
