import Query

/// What a completer may offer beside the words of SQL. Answers come from the session, so they may
/// be slow or fail; an empty list is always fine.
protocol CompletionSource: AnyObject {
  func tables() -> [String]
  func columns(of table: String) -> [String]
  func sensors(prefix: String) -> [String]
}

/// Completes by context: tables where a table stands, sensor ids inside `sensor = '…`, columns of
/// the tables that the statement names, functions and keywords in the case they are typed in.
struct Completer {
  let source: any CompletionSource
  static let functions = [
    "abs", "avg", "ceil", "coalesce", "count", "date_trunc", "extract", "first", "floor", "last", "length",
    "lower", "max", "min", "now", "nullif", "round", "sum", "time_bucket", "upper",
  ]
  static let dotCommands = [
    ".chart", ".help", ".mode", ".quit", ".read", ".schema", ".tables", ".timer",
  ]

  /// - Parameter text: the statement so far, up to the cursor.
  func completion(_ text: String) -> LineEditor.Completion? {
    if text.hasPrefix(".") || text.hasPrefix("\\") { return dotCompletion(text) }
    let utf8 = Array(text.utf8)
    let tokens = Scanner.tokens(text).filter { $0.kind != .endOfText && $0.kind != .comment }
    if let last = tokens.last, isOpenString(last, utf8) {
      return literalCompletion(utf8, Array(tokens.dropLast()), last)
    }
    let isInWord = tokens.last.map { isWord($0) && Int($0.range.upper) == utf8.count } ?? false
    let partial = isInWord ? word(tokens[tokens.count - 1], utf8) : ""
    let before = isInWord ? tokens.dropLast() : tokens[...]
    let found = candidates(before, utf8).filter { $0.lowercased().hasPrefix(partial.lowercased()) }
    let cased = found.map { Self.isKeyword($0) ? Self.matchCase(of: $0, partial) : $0 }
    return LineEditor.Completion(
      replacing: partial.unicodeScalars.count, candidates: Array(Set(cased)).sorted())
  }

  private func candidates(_ before: ArraySlice<Token>, _ text: [UInt8]) -> [String] {
    guard let previous = before.last else { return Self.openers }
    if previous.kind == .dot, let qualifier = before.dropLast().last {
      return source.columns(of: table(word(qualifier, text), before, text))
    }
    switch previous.keyword?.spelling {
    case "FROM", "JOIN", "UPDATE", "INTO", "TABLE", "DESCRIBE": return source.tables()
    default: break
    }
    let columns = namedTables(before, text).flatMap { source.columns(of: $0) }
    let all = columns.isEmpty ? source.tables().flatMap { source.columns(of: $0) } : columns
    return all + Self.functions + Self.keywords
  }

  // MARK: - Sensor ids

  private func literalCompletion(_ text: [UInt8], _ before: [Token], _ open: Token) -> LineEditor.Completion? {
    let partial = String(decoding: text[(Int(open.range.lower) + 1)...], as: UTF8.self)
    guard takesSensor(before, text) else { return nil }
    let found = source.sensors(prefix: partial).filter { $0.hasPrefix(partial) }
    return LineEditor.Completion(replacing: partial.unicodeScalars.count, candidates: found, suffix: "'")
  }

  /// `sensor =`, `device <>`, `sensor IN ('a',`.
  private func takesSensor(_ before: [Token], _ text: [UInt8]) -> Bool {
    var index = before.count - 1
    while index >= 0 {
      switch before[index].kind {
      case .string, .comma, .leftParen: index -= 1
      case .symbol: index -= 1
      case .word where ["IN", "LIKE", "NOT"].contains(before[index].keyword?.spelling ?? ""): index -= 1
      case .word, .quotedName:
        return ["sensor", "device", "sensor_id", "device_id"].contains(word(before[index], text).lowercased())
      default: return false
      }
    }
    return false
  }

  private func isOpenString(_ token: Token, _ text: [UInt8]) -> Bool {
    guard token.kind == .invalid || token.kind == .string, text[Int(token.range.lower)] == UInt8(ascii: "'")
    else { return false }
    return token.kind == .invalid
  }

  // MARK: - Names

  private func isWord(_ token: Token) -> Bool { token.kind == .word || token.kind == .quotedName }

  private func word(_ token: Token, _ text: [UInt8]) -> String {
    String(decoding: text[token.range.bytes], as: UTF8.self)
  }

  /// Tables behind FROM and JOIN.
  private func namedTables(_ tokens: ArraySlice<Token>, _ text: [UInt8]) -> [String] {
    zip(tokens, tokens.dropFirst()).compactMap { keyword, name in
      ["FROM", "JOIN", "UPDATE", "INTO"].contains(keyword.keyword?.spelling ?? "") && isWord(name)
        ? word(name, text) : nil
    }
  }

  /// The table that `alias` stands for, or `alias` itself.
  private func table(_ alias: String, _ tokens: ArraySlice<Token>, _ text: [UInt8]) -> String {
    let words = tokens.filter { isWord($0) && $0.keyword?.spelling != "AS" }
    for (name, next) in zip(words, words.dropFirst())
    where word(next, text) == alias && namedTables(tokens, text).contains(word(name, text)) {
      return word(name, text)
    }
    return alias
  }

  // MARK: - Words

  private static let openers = [
    "SELECT", "WITH", "EXPLAIN", "EXPLAIN ANALYZE", "VALUES",
  ]
  /// The reserved words and those free ones that carry a query.
  private static let keywords =
    Keyword.allCases.filter(\.isReserved).map(\.spelling)
    + ["ANALYZE", "BETWEEN", "BY", "EXPLAIN", "EXTRACT", "FILTER", "INTERVAL", "NULLS", "OVER", "PARTITION"]
  private static let known = Set(keywords + openers)
  private static func isKeyword(_ text: String) -> Bool { known.contains(text) }

  private static func matchCase(of keyword: String, _ typed: String) -> String {
    typed.contains(where: \.isLowercase) ? keyword.lowercased() : keyword
  }

  private func dotCompletion(_ text: String) -> LineEditor.Completion? {
    let words = text.split(separator: " ", omittingEmptySubsequences: false)
    guard words.count > 1 else {
      let found = Self.dotCommands.filter { $0.hasPrefix(text) }
      return LineEditor.Completion(replacing: text.unicodeScalars.count, candidates: found)
    }
    let partial = String(words[words.count - 1])
    let all =
      switch words[0] {
      case ".mode": OutputFormat.allCases.filter { $0 != .parquet }.map(\.rawValue)
      case ".timer": ["on", "off"]
      case ".schema", "\\d": source.tables()
      default: [String]()
      }
    return LineEditor.Completion(
      replacing: partial.unicodeScalars.count, candidates: all.filter { $0.hasPrefix(partial) })
  }
}
