import Glibc
import Query

/// Statements and dot commands, one after the other, from a person or from a pipe.
final class Shell {
  let session: any SQLSession
  let isInteractive: Bool
  var format: OutputFormat
  var showsTime: Bool
  /// What `.chart` draws when it is given nothing.
  var latestQuery: String?
  /// Files that `.read` is in the middle of.
  var reading: [String] = []
  private(set) var hadError = false
  private var wantsToQuit = false
  private(set) lazy var catalog = CatalogCache(session: session)

  init(session: any SQLSession, format: OutputFormat = .table, isInteractive: Bool) {
    self.session = session
    self.format = format
    self.isInteractive = isInteractive
    showsTime = isInteractive
  }

  var style: OutputStyle { isInteractive ? Terminal.outputStyle : .plain }

  // MARK: - Lines

  /// Reads from the terminal until `.quit` or Ctrl-D.
  func interact() {
    guard let editor = LineEditor(columns: { Terminal.size()?.columns ?? 80 }) else {
      return readPiped()
    }
    say("tsq \(tsqVersion) · \(session.place) · .help for help, Ctrl-D to leave")
    let history = ShellHistory()
    for entry in history.load() { editor.remember(entry) }
    let completer = Completer(source: catalog)
    var statement = ""
    editor.complete = { completer.completion(statement + $0) }
    while !wantsToQuit {
      switch editor.read(prompt: prompt(isContinued: !statement.isEmpty)) {
      case .interrupted:
        say("^C")
        statement = ""
      case .end:
        say("")
        if statement.isEmpty { return }
        statement = ""
      case .line(let line):
        let typed = statement + line
        statement = take(typed)
        if statement.isEmpty, typed.contains(where: { !$0.isWhitespace }) {
          editor.remember(typed)
          history.append(typed)
        }
      }
    }
  }

  private func prompt(isContinued: Bool) -> String {
    let text = isContinued ? "  ->" : "tsq>"
    // The space stands last: libedit ties a mark's escape to the character behind it.
    return style.colour ? "\u{1}\(ANSI.cyan)\u{1}\(text)\u{1}\(ANSI.reset)\u{1} " : text + " "
  }

  /// Reads standard input without a prompt; goes on after an error, which the exit code tells.
  func readPiped() {
    guard let bytes = try? System.contents(of: "-") else { return }
    runScript(String(decoding: bytes, as: UTF8.self))
  }

  /// Runs what `text` holds.
  /// - Returns: the statement that is still being typed, with a line feed behind it, or nothing.
  private func take(_ text: String) -> String {
    let trimmed = text.trimmed
    if MetaCommand.isOne(trimmed) {
      run(MetaCommand(trimmed))
      return ""
    }
    switch Scanner.completeness(text) {
    case .empty: return ""
    case .incomplete: return text + "\n"
    case .complete:
      runStatements(text)
      return ""
    }
  }

  /// Lines of SQL and dot commands; a last statement may lack its `;`.
  func runScript(_ text: String) {
    var statement = ""
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      if wantsToQuit { return }
      statement = take(statement + line)
    }
    if !statement.trimmed.isEmpty { runStatements(statement) }
  }

  private func runStatements(_ text: String) {
    let bytes = Array(text.utf8)
    do throws(SQLError) {
      for range in try SQL.split(bytes) {
        guard runOne(String(decoding: bytes[range.bytes], as: UTF8.self)) else { return }
      }
    } catch {
      fail(error, in: text)
    }
  }

  // MARK: - Statements

  /// - Returns: whether to go on with what follows.
  @discardableResult
  func runOne(_ sql: String, chart: Bool = false) -> Bool {
    let screen = Terminal.size() ?? (columns: 80, rows: 24)
    let sink = PagedSink(screenRows: screen.rows - 3, isPaging: isInteractive && !chart)
    defer { sink.finish() }
    do {
      var writer: any RowWriter =
        chart
        ? ChartWriter(sink: sink, style: style, height: min(24, max(8, screen.rows - 6)))
        : try format.writer(to: sink, style)
      let summary = try session.interruptibly { try session.run(sql, parameters: [:], into: &writer) }
      sink.finish()
      latestQuery = sql
      if showsTime { say(Self.footer(summary)) }
      return true
    } catch OutputError.closed {
      return true
    } catch let error as SQLError {
      sink.finish()
      fail(error, in: sql)
    } catch let error as CommandError {
      sink.finish()
      fail(error.sentence)
    } catch {
      sink.finish()
      fail("\(error)")
    }
    return false
  }

  static func footer(_ summary: QuerySummary) -> String {
    let rows = summary.rowCount.map { $0 == 1 ? "1 row, " : "\(Figures.grouped($0)) rows, " } ?? ""
    var text = "(\(rows)\(Figures.duration(nanos: summary.nanos))"
    if let read = summary.blocksRead, let pruned = summary.blocksPruned {
      text += ", blocks: \(Figures.grouped(read)) read, \(Figures.grouped(pruned)) pruned"
    }
    return text + ")"
  }

  // MARK: - Words to the person

  func fail(_ error: SQLError, in sql: String) {
    hadError = true
    Terminal.note(ErrorText.painted(error.rendered(in: sql), colour: Terminal.hasColour(STDERR_FILENO)))
  }

  func fail(_ sentence: String) {
    hadError = true
    Terminal.error(sentence)
  }

  /// What is not data: to the terminal, and to nobody when there is none.
  func say(_ text: String) {
    guard isInteractive else { return }
    try? FileSink(descriptor: STDOUT_FILENO).writeThrough(
      style.colour && text.hasPrefix("(") ? ANSI.dim + text + ANSI.reset : text)
  }

  func quit() { wantsToQuit = true }

  /// Rows that the shell makes itself, in the form that is set.
  func show(_ columns: [ResultColumn], _ rows: [[String?]]) {
    let sink = PagedSink(screenRows: (Terminal.size()?.rows ?? 24) - 3, isPaging: isInteractive)
    defer { sink.finish() }
    do {
      var writer = try format.writer(to: sink, style)
      try writer.begin(columns)
      try writer.write(TextRows(cells: rows))
      try writer.end()
    } catch {
      // Whoever left the pager has seen enough.
    }
  }
}

enum ErrorText {
  /// The caret and the first word in red, the hint in cyan.
  static func painted(_ text: String, colour: Bool) -> String {
    guard colour else { return text }
    return text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
      if line.hasPrefix("ERROR") { return ANSI.bold + ANSI.red + "ERROR" + ANSI.reset + line.dropFirst(5) }
      if line.hasPrefix("HINT:") { return ANSI.cyan + line + ANSI.reset }
      return line.contains("^") && line.allSatisfy({ " \t^".contains($0) }) ? ANSI.red + line + ANSI.reset : String(line)
    }.joined(separator: "\n")
  }
}

extension StringProtocol {
  /// Without white space at both ends.
  var trimmed: String {
    guard let first = firstIndex(where: { !$0.isWhitespace }), let last = lastIndex(where: { !$0.isWhitespace })
    else { return "" }
    return String(self[first...last])
  }
}
