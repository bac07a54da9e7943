/// Names for completion, asked of the session once a while: completion must not make one wait.
final class CatalogCache: CompletionSource {
  /// After this the names are asked for again.
  private static let lifetimeNanos: Int64 = 30_000_000_000
  private let session: any SQLSession
  private var known: (asked: Int64, relations: [Relation])?
  private var sensorIDs: (asked: Int64, names: [String])?

  init(session: any SQLSession) { self.session = session }

  /// Empty when the session cannot tell.
  var relations: [Relation] {
    let now = System.monotonicNanos()
    if let known, now - known.asked < Self.lifetimeNanos { return known.relations }
    let relations = (try? session.relations()) ?? []
    known = (now, relations)
    return relations
  }

  func tables() -> [String] { relations.map(\.name) }

  func columns(of table: String) -> [String] {
    relations.first { $0.name == table.lowercased() }?.columns.map(\.name) ?? []
  }

  func sensors(prefix: String) -> [String] {
    let now = System.monotonicNanos()
    if let sensorIDs, now - sensorIDs.asked < Self.lifetimeNanos { return sensorIDs.names }
    let rows = (try? session.texts("SELECT DISTINCT sensor FROM series ORDER BY sensor")) ?? []
    let names = rows.compactMap { $0[0] }
    sensorIDs = (now, names)
    return names
  }
}
