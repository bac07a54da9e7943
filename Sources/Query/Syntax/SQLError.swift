/// Why a query was refused, with the place in its text. Thrown by the lexer, the parser and the binder.
/// `message` never carries data values; it may carry names and keywords of the query.
package struct SQLError: Error, Equatable, Sendable {
  package var state: SQLState
  package var message: String
  /// What to do about it, one sentence.
  package var hint: String?
  /// Byte offsets into the text that was parsed; nil when no place is to blame.
  package var range: SourceRange?
  /// 1-based; known once `located(in:)` has run. `column` counts Unicode scalars.
  package private(set) var line: Int?
  package private(set) var column: Int?

  package init(
    _ state: SQLState, _ message: String, at range: SourceRange? = nil, hint: String? = nil
  ) {
    self.state = state
    self.message = message
    self.range = range
    self.hint = hint
  }

  /// The same error with line and column worked out from its source.
  /// - Complexity: O(offset of the error).
  package func located(in source: [UInt8]) -> SQLError {
    guard let range else { return self }
    var result = self
    let end = min(Int(range.lower), source.count)
    let start = Self.lineStart(before: end, in: source)
    result.line = 1 + source[..<start].count { $0 == UInt8(ascii: "\n") }
    result.column = 1 + source[start..<end].count { $0 & 0xC0 != 0x80 }
    return result
  }

  private static func lineStart(before end: Int, in source: [UInt8]) -> Int {
    source[..<end].lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
  }
}

// MARK: - The picture for a terminal

extension SQLError {
  /// The message, the line at fault with a caret line under it, and the hint:
  ///
  ///     ERROR 42601: expected FROM, found "form"
  ///     LINE 1: SELECT * FORM power
  ///                      ^^^^
  ///     HINT: did you mean FROM?
  package func rendered(in text: String) -> String {
    let source = Array(text.utf8)
    var out = "ERROR \(state): \(message)"
    let error = located(in: source)
    if let range, let line = error.line {
      let lower = min(Int(range.lower), source.count)
      let start = Self.lineStart(before: lower, in: source)
      let end = source[lower...].firstIndex(of: UInt8(ascii: "\n")) ?? source.count
      let upper = max(lower, min(Int(range.upper), end))
      let before = clipped(String(decoding: source[start..<lower], as: UTF8.self), keepingEnd: true)
      let after = clipped(String(decoding: source[lower..<end], as: UTF8.self), keepingEnd: false)
      let marked = String(decoding: source[lower..<upper], as: UTF8.self)
      let label = "LINE \(line): "
      out += "\n" + label + before + after
      out += "\n" + String(repeating: " ", count: label.count) + blank(before)
      out += String(repeating: "^", count: max(1, min(60, Self.width(marked))))
    }
    if let hint { out += "\nHINT: \(hint)" }
    return out
  }

  private func clipped(_ text: String, keepingEnd: Bool) -> String {
    guard text.unicodeScalars.count > 60 else { return text }
    return keepingEnd ? "…" + text.suffix(59) : text.prefix(59) + "…"
  }

  /// White space as wide as `text`; tabs stay tabs so that the terminal expands both lines alike.
  private func blank(_ text: String) -> String {
    var out = ""
    for scalar in text.unicodeScalars {
      out += scalar == "\t" ? "\t" : String(repeating: " ", count: Self.width(scalar))
    }
    return out
  }

  private static func width(_ text: String) -> Int {
    text.unicodeScalars.reduce(0) { $0 + width($1) }
  }

  /// Terminal cells of a scalar: 0 for combining marks, 2 for East Asian wide, else 1.
  private static func width(_ scalar: Unicode.Scalar) -> Int {
    switch scalar.value {
    case 0x0300...0x036F, 0x200B...0x200F, 0xFE00...0xFE0F: 0
    case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF,
      0xFE30...0xFE6F, 0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1FAFF, 0x20000...0x3FFFD:
      2
    default: 1
    }
  }
}
