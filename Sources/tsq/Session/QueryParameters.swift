import Query
import Synchronization

/// The flag of the statement that runs, for whoever wants to end it from another thread.
final class Cancellation: Sendable {
  private let current = Mutex<CancelFlag?>(nil)
  func begin(_ flag: CancelFlag) { current.withLock { $0 = flag } }
  func end() { current.withLock { $0 = nil } }
  func cancel() { current.withLock { $0 }?.cancel() }
}

/// Parameters of the command line as values: whole numbers, numbers, else text.
struct QueryParameters {
  /// `$1`, `$2`, …
  private(set) var positional: [SQLValue] = []
  /// `:name`.
  private(set) var named: [String: SQLValue] = [:]

  /// - Parameter texts: by name, or by number without a gap from 1 on.
  init(_ texts: [String: String]) throws {
    let numbers = texts.keys.compactMap { Int($0) }.sorted()
    guard numbers == Array(1..<numbers.count + 1) else {
      throw CommandError.usage("numbered parameters begin with --param 1=… for $1 and have no gap")
    }
    for number in numbers { positional.append(Self.value(texts["\(number)"] ?? "")) }
    for (name, text) in texts where Int(name) == nil { named[name] = Self.value(text) }
  }

  private static func value(_ text: String) -> SQLValue {
    if let number = Int64(text) { return .int(number) }
    if let number = Double(text), number.isFinite { return .float(number) }
    return .text(text)
  }
}
