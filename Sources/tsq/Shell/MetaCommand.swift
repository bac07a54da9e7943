import Query

/// `.mode csv`, `\d power`: what is for the shell itself.
struct MetaCommand: Equatable {
  var name: String
  /// All behind the name, trimmed.
  var argument: String

  /// Also the bare words by which people leave other shells.
  static func isOne(_ text: String) -> Bool {
    text.hasPrefix(".") && text.dropFirst().first?.isLetter == true || text.hasPrefix("\\")
      || ["quit", "exit", "help", "quit;", "exit;"].contains(text.lowercased())
  }

  init(_ text: String) {
    let words = text.split(maxSplits: 1, whereSeparator: \.isWhitespace)
    let typed = words.first.map { String($0).lowercased() } ?? ""
    argument = words.count > 1 ? words[1].trimmed : ""
    while argument.hasSuffix(";"), !typed.hasPrefix(".chart") { argument.removeLast() }
    name =
      switch typed {
      case "\\q", ".exit", "quit", "exit", "quit;", "exit;": ".quit"
      case "\\?", "\\h", "help": ".help"
      case "\\i", "\\ir": ".read"
      case "\\timing": ".timer"
      case "\\x": ".mode"
      case "\\d", "\\dt", "\\d+", "\\dt+": argument.isEmpty ? ".tables" : ".schema"
      default: typed
      }
    if typed == "\\x" { argument = "line" }
  }
}

extension Shell {
  static let help = """
    Statements end with ; and may take several lines. Ctrl-C stops a query, Tab completes, Ctrl-R searches.

      .tables                 the tables                       \\d
      .schema [TABLE]         columns, types and units         \\d TABLE
      .mode [FORMAT]          table csv json ndjson markdown line list
      .chart [QUERY]          draws a query, or the latest one
      .timer [on|off]         rows and time behind each answer  \\timing
      .read FILE              runs the statements of a file    \\i
      .help  .quit            this text, the end               \\?  \\q
    """

  func run(_ command: MetaCommand) {
    switch command.name {
    case ".quit": quit()
    case ".help": print(lines: Self.help)
    case ".tables": showTables()
    case ".schema": showSchema(command.argument)
    case ".mode": setMode(command.argument)
    case ".timer": setTimer(command.argument)
    case ".chart": drawChart(command.argument)
    case ".read": read(command.argument)
    default:
      let hint = Completer.dotCommands.first { $0.hasPrefix(command.name.prefix(2)) }
      fail("\(command.name) is no command of the shell" + (hint.map { "; did you mean \($0)?" } ?? "; try .help"))
    }
  }

  private func showTables() {
    let text = { ResultColumn(name: $0, kind: .text) }
    show(
      [text("table"), text("holds"), ResultColumn(name: "columns", kind: .number)],
      catalog.relations.map { [$0.name, $0.isSystem ? "system" : "readings", "\($0.columns.count)"] })
  }

  private func showSchema(_ table: String) {
    let shown = catalog.relations.filter { table.isEmpty ? !$0.isSystem : $0.name == table.lowercased() }
    guard !shown.isEmpty else {
      let hint = Suggestion.hint(for: table, among: catalog.tables()).map { "; \($0)" } ?? "; .tables lists them"
      return fail("there is no table \"\(table)\"\(hint)")
    }
    let text = { ResultColumn(name: $0, kind: .text) }
    let names = table.isEmpty ? [text("table")] : []
    show(
      names + [text("column"), text("type"), text("unit")],
      shown.flatMap { relation in
        relation.columns.map { (table.isEmpty ? [relation.name] : []) + [$0.name, $0.type, $0.unit ?? ""] }
      })
  }

  private func setMode(_ argument: String) {
    if argument.isEmpty { return say("mode \(format.rawValue)") }
    guard let chosen = OutputFormat(rawValue: argument.lowercased()), chosen != .parquet else {
      return fail(
        "\(argument) is no format of the shell; there are "
          + OutputFormat.allCases.filter { $0 != .parquet }.map(\.rawValue).joined(separator: ", "))
    }
    format = chosen
  }

  private func setTimer(_ argument: String) {
    switch argument.lowercased() {
    case "on": showsTime = true
    case "off": showsTime = false
    case "": showsTime.toggle()
    default: return fail(".timer takes on or off")
    }
    say("timer \(showsTime ? "on" : "off")")
  }

  private func drawChart(_ argument: String) {
    guard let sql = argument.isEmpty ? latestQuery : argument else {
      return fail("there is no query yet to draw; give one: .chart SELECT …")
    }
    runOne(sql, chart: true)
  }

  private func read(_ path: String) {
    guard !path.isEmpty else { return fail(".read takes the name of a file") }
    guard !reading.contains(path) else { return fail("\(path) reads itself") }
    do {
      let bytes = try System.contents(of: path)
      reading.append(path)
      runScript(String(decoding: bytes, as: UTF8.self))
      reading.removeLast()
    } catch {
      fail((error as? CommandError)?.sentence ?? "\(error)")
    }
  }

  /// Text that was asked for is data.
  private func print(lines: String) {
    try? FileSink(descriptor: 1).writeThrough(lines)
  }
}
