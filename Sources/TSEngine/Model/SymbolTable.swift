import Synchronization

/// Texts of symbol and text columns and their codes. Codes live as long as the process; files
/// hold the texts themselves, so a code never reaches a disk. Append-only and thread-safe.
public final class SymbolTable: Sendable {
  private struct State: Sendable {
    var codes: [String: Int64] = [:]
    var texts: [String] = []
  }
  private let state = Mutex(State())

  public init() {}

  /// The code of `text`, giving it one when it is new. O(length).
  public func code(of text: String) -> Int64 {
    state.withLock { state in
      if let code = state.codes[text] { return code }
      let code = Int64(state.texts.count)
      state.texts.append(text)
      state.codes[text] = code
      return code
    }
  }

  /// The code of `text`, or nil when the store has never seen it. O(length).
  public func existingCode(of text: String) -> Int64? { state.withLock { $0.codes[text] } }

  /// The text of `code`, or nil when it was never given.
  public func text(of code: Int64) -> String? {
    state.withLock { state in
      guard code >= 0, code < Int64(state.texts.count) else { return nil }
      return state.texts[Int(code)]
    }
  }

  /// All texts, indexed by code. The array is shared, not copied, until the next new symbol.
  public func texts() -> [String] { state.withLock { $0.texts } }
}
