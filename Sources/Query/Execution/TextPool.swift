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
    var codes: [String: Int64] = [:]
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
    state.withLock { state in
      if let code = state.codes[text] { return code }
      if let code = symbols.existingCode(of: text) { return code }
      let code = -1 - Int64(state.own.count)
      state.own.append(text)
      state.codes[text] = code
      state.ownBytes += text.utf8.count + 64
      return code
    }
  }

  /// The text of a code that came from this pool or the store; a code nobody gave is empty.
  package func text(of code: Int64) -> String {
    state.withLock { state in
      if code < 0 {
        let index = Int(-1 - code)
        return index < state.own.count ? state.own[index] : ""
      }
      if code >= Int64(state.symbols.count) { Self.refresh(&state, symbols) }
      return code < Int64(state.symbols.count) ? state.symbols[Int(code)] : ""
    }
  }

  /// Bytes held by texts that the query made.
  var ownByteCount: Int { state.withLock { $0.ownBytes } }

  /// Replaces codes that have an older own code for the same text.
  func canonicalise(_ vector: Vector, _ count: Int) {
    state.withLock { state in
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
      if let own = state.codes[state.symbols[code]] { state.aliases[Int64(code)] = own }
    }
  }
}

/// PostgreSQL's "C" collation: by UTF-8 bytes.
func precedes(_ a: String, _ b: String) -> Bool { a.utf8.lexicographicallyPrecedes(b.utf8) }
