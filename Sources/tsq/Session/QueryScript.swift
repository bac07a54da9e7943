import Glibc
import Query

/// Statements that run in order until one fails, their answers going to one place.
struct QueryScript {
  var text: String
  /// nil draws a chart.
  var format: OutputFormat?
  var parameters: [String: String] = [:]
  /// A file instead of standard output.
  var output: String?
  var timezone: String?
  /// Reads what is left where files are damaged.
  var skipsDamage = false
  /// Rows and time on standard error, at a terminal.
  var saysFooter = true

  init(text: String, format: OutputFormat?) {
    self.text = text
    self.format = format
  }

  func run(at place: StoreLocation.Place) throws {
    Interrupts.shared.install()
    // The form of the answer is settled before the store is looked at: a wrong call touches nothing.
    _ = try writer(to: MemorySink(), .plain)
    let source = Array(text.utf8)
    let statements = try explaining(text) { try SQL.split(source) }
    let session = try Sessions.open(place, timezone: timezone, skipsDamage: skipsDamage)
    let file = try OutputFile(path: output)
    let style = file.isStandard ? Terminal.outputStyle : .plain
    let saysFooter = saysFooter && file.isStandard && Terminal.isTerminal(STDOUT_FILENO) && Terminal.isTerminal(STDERR_FILENO)
    for range in statements {
      let statement = String(decoding: source[range.bytes], as: UTF8.self)
      let summary = try explaining(statement) {
        try session.interruptibly {
          if let format = format?.forPrograms {
            return try session.run(statement, parameters: parameters, as: format, to: file.sink)
          }
          var writer = try writer(to: file.sink, style)
          return try session.run(statement, parameters: parameters, into: &writer)
        }
      }
      if saysFooter { Terminal.note(Shell.footer(summary)) }
    }
    try file.commit()
  }

  private func writer(to sink: any ByteSink, _ style: OutputStyle) throws -> any RowWriter {
    try format?.writer(to: sink, style) ?? ChartWriter(sink: sink, style: style, height: 20)
  }

  /// The picture with the caret goes to standard error; what remains is the exit code.
  private func explaining<T>(_ sql: String, _ body: () throws -> T) throws -> T {
    do {
      return try body()
    } catch let error as SQLError {
      if error.state == .queryCancelled, Interrupts.shared.isPending { throw CommandError.interrupted }
      Terminal.note(ErrorText.painted(error.rendered(in: sql), colour: Terminal.hasColour(STDERR_FILENO)))
      throw CommandError.failed("")
    }
  }
}
