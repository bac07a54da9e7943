/// Names for completion, asked of the session once a while: completion must not make one wait.
final class CatalogCache: CompletionSource {
  /// After this the names are asked for again.
  private static let lifetimeNanos: Int64 = 30_000_000_000
  private let session: any SQLSession
  private var answers: [String: (asked: Int64, names: [String])] = [:]

  init(session: any SQLSession) { self.session = session }

  func tables() -> [String] { names("SELECT name FROM tables ORDER BY name") }

  func columns(of table: String) -> [String] {
    names("SELECT name FROM columns WHERE \"table\" = \(sqlLiteral(table.lowercased()))")
  }

  func sensors(prefix: String) -> [String] { names("SELECT DISTINCT sensor FROM series ORDER BY sensor") }

  private func names(_ sql: String) -> [String] {
    let now = System.monotonicNanos()
    if let answer = answers[sql], now - answer.asked < Self.lifetimeNanos { return answer.names }
    let names = (try? session.texts(sql).compactMap { $0.first ?? nil }) ?? []
    answers[sql] = (now, names)
    return names
  }
}
