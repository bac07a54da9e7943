import Synchronization
import TSEngine

/// Texts of one query as codes, so that equality, grouping and joins compare integers. Codes ≥ 0
/// are the store's symbols; texts the query makes itself get codes < 0 here and vanish with it.
/// Within one query a text has one code: `canonical` sees to symbols that the store learns while
/// the query runs, after the query gave the same text a code of its own.
package final class TextPool: Sendable {
  private struct State: Sendable {
    var symbols: [String]
    var own: [String] = []
    var codes: [TextKey: Int64] = [:]
    var ownBytes = 0
    /// Symbols that came later than the query's own code for the same text.
    var aliases: [Int64: Int64] = [:]
  }
  package let symbols: SymbolTable
  private let state: Mutex<State>

  package init(symbols: SymbolTable) {
    self.symbols = symbols
    state = Mutex(State(symbols: symbols.texts()))
  }

  package func code(of text: String) -> Int64 {
    state.withLock { code(of: text, &$0) }
  }

  private func code(of text: String, _ state: inout State) -> Int64 {
    let key = TextKey(text)
    if let code = state.codes[key] { return code }
    if let code = symbols.existingCode(of: text) { return code }
    let code = -1 - Int64(state.own.count)
    state.own.append(text)
    state.codes[key] = code
    state.ownBytes += text.utf8.count + 64
    return code
  }

  /// The text of a code that came from this pool or the store; a code nobody gave is empty.
  package func text(of code: Int64) -> String {
    state.withLock { state in
      if code < 0 {
        let index = Int(-1 - code)
        return index < state.own.count ? state.own[index] : ""
      }
      if TextHold.isText(code) { return symbols.text(of: code) ?? "" }
      if code >= Int64(state.symbols.count) { Self.refresh(&state, symbols) }
      return code < Int64(state.symbols.count) ? state.symbols[Int(code)] : ""
    }
  }

  /// Bytes held by texts that the query made.
  var ownByteCount: Int { state.withLock { $0.ownBytes } }

  /// Replaces codes of texts, which live no longer than the reader they came from, and codes that have
  /// an older own code for the same text. Those of null rows come to mean anything.
  func canonicalise(_ vector: Vector, _ count: Int) {
    state.withLock { state in
      var last: (text: Int64, code: Int64) = (0, 0)
      for row in 0..<count where TextHold.isText(vector[row]) {
        if last.text != vector[row] {
          last = (vector[row], code(of: symbols.text(of: vector[row]) ?? "", &state))
        }
        vector[row] = last.code
      }
      let known = Int64(state.symbols.count)
      for row in 0..<count where vector[row] >= known {
        Self.refresh(&state, symbols)
        break
      }
      guard !state.aliases.isEmpty else { return }
      for row in 0..<count { if let code = state.aliases[vector[row]] { vector[row] = code } }
    }
  }

  private static func refresh(_ state: inout State, _ symbols: SymbolTable) {
    let old = state.symbols.count
    state.symbols = symbols.texts()
    for code in old..<max(old, state.symbols.count) {
      if let own = state.codes[TextKey(state.symbols[code])] { state.aliases[Int64(code)] = own }
    }
  }
}

/// PostgreSQL's "C" collation: by UTF-8 bytes.
func precedes(_ a: String, _ b: String) -> Bool { a.utf8.lexicographicallyPrecedes(b.utf8) }
