import Synchronization

/// Texts of symbol and text columns and their codes. Append-only for symbols, whose codes live as
/// long as the process; texts live as long as a `TextHold` of theirs. Files hold the texts
/// themselves, so a code never reaches a disk. Thread-safe.
public final class SymbolTable: Sendable {
  private struct State: Sendable {
    var codes: [TextKey: Int64] = [:]
    var texts: [String] = []
    /// By the number of their hold; empty where the number is free.
    var held: [[String]] = []
    var free: [Int] = []
  }
  private let state = Mutex(State())

  public init() {}

  // MARK: Symbols

  /// The code of symbol `text`, giving it one for good when it is new. O(length).
  public func code(of text: String) -> Int64 {
    state.withLock { state in
      let key = TextKey(text)
      if let code = state.codes[key] { return code }
      let code = Int64(state.texts.count)
      state.texts.append(text)
      state.codes[key] = code
      return code
    }
  }

  /// The code of symbol `text`, or nil when the store has never seen it. O(length).
  public func existingCode(of text: String) -> Int64? { state.withLock { $0.codes[TextKey(text)] } }

  /// The text of `code`, or nil when it was never given or nobody holds it any more.
  public func text(of code: Int64) -> String? {
    state.withLock { state in
      if TextHold.isText(code) {
        let (hold, index) = TextHold.parts(code)
        guard hold < state.held.count, index < state.held[hold].count else { return nil }
        return state.held[hold][index]
      }
      guard code >= 0, code < Int64(state.texts.count) else { return nil }
      return state.texts[Int(code)]
    }
  }

  /// The text of `code` for whoever stores it; empty for a slot that never had one, as of a null.
  /// - Precondition: a text is still held: one that is gone would be stored as an empty one.
  package func heldText(of code: Int64) -> String {
    if let text = text(of: code) { return text }
    precondition(!TextHold.isText(code), "whoever stores a text holds it")
    return ""
  }

  /// All symbols, indexed by code. The array is shared, not copied, until the next new symbol.
  public func texts() -> [String] { state.withLock { $0.texts } }

  /// Whether two codes of a text column say the same, byte for byte.
  package func isSame(_ a: Int64, _ b: Int64) -> Bool {
    if a == b { return true }
    guard TextHold.isText(a) || TextHold.isText(b) else { return false }
    guard let a = text(of: a), let b = text(of: b) else { return false }
    return TextKey(a) == TextKey(b)
  }

  // MARK: Texts

  /// Texts that are held at the moment: for tests and figures.
  package var heldTextCount: Int { state.withLock { $0.held.reduce(0) { $0 + $1.count } } }

  fileprivate func hold(_ texts: [String]) -> Int {
    state.withLock { state in
      if let number = state.free.popLast() {
        state.held[number] = texts
        return number
      }
      state.held.append(texts)
      return state.held.count - 1
    }
  }

  fileprivate func add(_ text: String, to hold: Int) -> Int {
    state.withLock { state in
      state.held[hold].append(text)
      return state.held[hold].count - 1
    }
  }

  fileprivate func release(_ hold: Int) {
    // The texts are freed outside the lock.
    let gone: [String] = state.withLock { state in
      state.free.append(hold)
      let texts = state.held[hold]
      state.held[hold] = []
      return texts
    }
    _ = gone
  }
}

/// Keeps the texts of one column that rows in memory refer to: those of a batch on its way in, or of
/// a block that was opened. Texts are often told once, so unlike symbols they go with their rows.
/// Whoever keeps slots of the column keeps the hold. Two holds give one text two codes: rows are
/// compared by `SymbolTable.isSame`.
public final class TextHold: Sendable {
  package let column: ColumnID
  package let symbols: SymbolTable
  package let number: Int

  package init(_ texts: [String] = [], of column: ColumnID, in symbols: SymbolTable) {
    self.column = column
    self.symbols = symbols
    number = symbols.hold(texts)
  }

  deinit { symbols.release(number) }

  /// Adds a text; O(length).
  package func add(_ text: String) -> Int64 { code(symbols.add(text, to: number)) }

  /// The code of text `index`.
  package func code(_ index: Int) -> Int64 { Self.mark | Int64(number) << 32 | Int64(index) }

  /// Codes of texts have this bit, symbols never.
  private static let mark: Int64 = 1 << 62

  package static func isText(_ code: Int64) -> Bool { code >= mark }

  fileprivate static func parts(_ code: Int64) -> (hold: Int, index: Int) {
    (Int(code & (mark - 1)) >> 32, Int(code & 0xFFFF_FFFF))
  }

  /// Of the hold that gave `code`; -1 for a symbol.
  package static func number(of code: Int64) -> Int { isText(code) ? parts(code).hold : -1 }
}

/// A text as a key by its bytes: Swift's own equality takes texts that look alike for one.
package struct TextKey: Hashable, Sendable {
  package let text: String

  package init(_ text: String) { self.text = text }

  package static func == (a: TextKey, b: TextKey) -> Bool {
    a.text.utf8.count == b.text.utf8.count && a.text.utf8.elementsEqual(b.text.utf8)
  }

  package func hash(into hasher: inout Hasher) {
    let isHashed: Void? = unsafe text.utf8.withContiguousStorageIfAvailable {
      unsafe hasher.combine(bytes: UnsafeRawBufferPointer($0))
    }
    if isHashed == nil { for byte in text.utf8 { hasher.combine(byte) } }
  }
}

extension [TextHold] {
  /// Takes over what is not there yet.
  package mutating func keep(_ others: some Sequence<TextHold>) {
    for hold in others where last !== hold && !contains(where: { $0 === hold }) { append(hold) }
  }

  /// Whether slots `a` and `b` of `column` say the same; for columns without holds slots are values.
  package func isSame(_ column: ColumnID, _ a: Int64?, _ b: Int64?, or others: [TextHold]) -> Bool {
    if a == b { return true }
    guard let a, let b else { return false }
    guard
      let hold = first(where: { $0.column == column })
        ?? others.first(where: { $0.column == column })
    else { return false }
    return hold.symbols.isSame(a, b)
  }
}
