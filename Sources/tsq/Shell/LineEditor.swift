import CEditline
import Glibc

/// A line typed at a terminal, by libedit: editing, history, reverse search, completion.
/// One at a time and on one thread only.
final class LineEditor {
  enum Input: Equatable {
    case line(String)
    /// Ctrl-C: the line is given up.
    case interrupted
    /// Ctrl-D on an empty line.
    case end
  }

  /// What may stand instead of the last `replacing` characters before the cursor.
  struct Completion: Equatable {
    var replacing: Int
    var candidates: [String]
    /// Typed behind the candidate when it is the only one.
    var suffix = " "
  }

  /// Called with the line up to the cursor.
  var complete: (String) -> Completion? = { _ in nil }

  private let line: OpaquePointer
  private let history: OpaquePointer
  private var prompt: UnsafeMutablePointer<CChar>
  private var wasInterrupted = false
  private let columns: () -> Int

  /// nil when libedit cannot drive this terminal.
  init?(columns: @escaping () -> Int) {
    // Editing text of several bytes a character takes a UTF-8 locale, also where none is set.
    if setlocale(LC_CTYPE, "") == nil || String(cString: nl_langinfo(Int32(CODESET))) != "UTF-8" {
      setlocale(LC_CTYPE, "C.UTF-8")
    }
    guard let line = tsq_el_open("tsq"), let history = history_init() else { return nil }
    self.line = line
    self.history = history
    self.columns = columns
    prompt = strdup("")
    tsq_history_set_size(history, 10_000)
    tsq_history_set_unique(history, 1)
    bind()
  }

  deinit {
    history_end(history)
    el_end(line)
    free(prompt)
  }

  private func bind() {
    tsq_el_set_data(line, Unmanaged.passUnretained(self).toOpaque())
    tsq_el_set_prompt(line) { LineEditor.of($0!).prompt }
    tsq_el_set_editor(line, "emacs")
    tsq_el_set_history(line, history)
    tsq_el_add_function(line, "tsq-complete", "complete the word") { line, _ in
      LineEditor.of(line!).completeAtCursor()
    }
    tsq_el_add_function(line, "tsq-interrupt", "give the line up") { line, _ in
      LineEditor.of(line!).wasInterrupted = true
      return UInt8(CC_EOF)
    }
    tsq_el_add_function(line, "tsq-suspend", "stop the process") { line, _ in
      tsq_el_prepare_terminal(line, 0)
      raise(SIGTSTP)
      tsq_el_prepare_terminal(line, 1)
      return UInt8(CC_REDISPLAY)
    }
    // Ctrl-C and Ctrl-Z come as keys while a line is edited; a running query has the usual signals.
    tsq_el_set_tty(line, "-isig")
    let keys = [
      ("^I", "tsq-complete"), ("^C", "tsq-interrupt"), ("^Z", "tsq-suspend"), ("^R", "em-inc-search-prev"),
      ("^L", "ed-clear-screen"), ("\\e[H", "ed-move-to-beg"), ("\\e[F", "ed-move-to-end"),
      ("\\e[1~", "ed-move-to-beg"), ("\\e[4~", "ed-move-to-end"), ("\\e[3~", "ed-delete-next-char"),
      ("\\e[1;5C", "em-next-word"), ("\\e[1;5D", "ed-prev-word"),
    ]
    for (key, command) in keys { tsq_el_bind(line, key, command) }
    // The user's ~/.editrc comes last.
    el_source(line, nil)
  }

  /// Adds an entry that the arrow keys and reverse search find; it may have several lines.
  func remember(_ text: String) { tsq_history_enter(history, text) }

  /// - Parameter prompt: colour in it is put between U+0001 marks.
  func read(prompt text: String) -> Input {
    free(prompt)
    prompt = strdup(text)
    wasInterrupted = false
    el_resize(line)
    var count: Int32 = 0
    let typed = el_gets(line, &count)
    if wasInterrupted { return .interrupted }
    guard let typed, count > 0 else { return .end }
    var line = String(cString: typed)
    if line.last == "\n" { line.removeLast() }
    return .line(line)
  }

  private static func of(_ line: OpaquePointer) -> LineEditor {
    Unmanaged<LineEditor>.fromOpaque(tsq_el_data(line)).takeUnretainedValue()
  }

  // MARK: - Completion

  private func completeAtCursor() -> UInt8 {
    guard let info = el_line(line)?.pointee, let start = info.buffer, let cursor = info.cursor else {
      return UInt8(CC_ERROR)
    }
    let bytes = UnsafeRawBufferPointer(start: start, count: cursor - start)
    let before = String(decoding: bytes, as: UTF8.self)
    guard let completion = complete(before), !completion.candidates.isEmpty else {
      return UInt8(CC_REFRESH_BEEP)
    }
    let candidates = completion.candidates
    let typed = String(before.suffix(completion.replacing))
    if candidates.count == 1 {
      replace(completion.replacing, with: candidates[0] + completion.suffix)
      return UInt8(CC_REFRESH)
    }
    let common = Self.commonPrefix(candidates)
    if common.count > typed.count {
      replace(completion.replacing, with: common)
      return UInt8(CC_REFRESH)
    }
    var list = Array(("\n" + Self.table(candidates, width: columns())).utf8)
    try? FileSink(descriptor: STDOUT_FILENO).writeThrough(&list)
    return UInt8(CC_REDISPLAY)
  }

  private func replace(_ count: Int, with text: String) {
    // libedit counts code points.
    let info = el_wline(line).pointee
    let cursor = info.cursor - info.buffer
    el_deletestr(line, Int32(min(count, cursor)))
    el_insertstr(line, text)
  }

  static func commonPrefix(_ candidates: [String]) -> String {
    guard var prefix = candidates.first else { return "" }
    for candidate in candidates.dropFirst() {
      while !candidate.lowercased().hasPrefix(prefix.lowercased()) { prefix.removeLast() }
    }
    return prefix
  }

  /// Candidates in columns; a hundred at most, then how many more there are.
  static func table(_ candidates: [String], width: Int) -> String {
    let shown = candidates.prefix(100)
    let cell = (shown.map { DisplayWidth.of($0) }.max() ?? 1) + 2
    let across = max(1, width / cell)
    let down = (shown.count + across - 1) / across
    var text = ""
    for row in 0..<down {
      var line = ""
      for index in stride(from: row, to: shown.count, by: down) {
        line += shown[index] + String(repeating: " ", count: cell - DisplayWidth.of(shown[index]))
      }
      text += line + "\n"
    }
    return candidates.count > shown.count ? text + "… and \(candidates.count - shown.count) more\n" : text
  }
}
