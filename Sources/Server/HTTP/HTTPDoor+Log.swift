import Foundation
import Hummingbird
import Query
import TSEngine

/// `GET /api/events?from=&limit=&kind=&type=&device=` (D-30): what happened from a position of the log on, oldest first.
/// `kind` is a list of kinds or signals, as `connected,status_changed`; without it all of the registry is told.
/// The header `X-Tsq-Next-Lsn` is the `from` of the next page, also where a filter left nothing over.
extension HTTPDoor {
  private static let logLimit = 10_000

  func showLog(_ request: Request, _ admitted: Admission) async throws -> Response {
    func text(_ name: String) -> String? { request.uri.queryParameters[name[...]].map(String.init) }
    let from = try Self.number(request, "from").map { UInt64($0) } ?? 0
    let limit = min(max(try Self.number(request, "limit") ?? 1000, 1), Self.logLimit)
    var filter = LogFilter(type: text("type"), device: text("device"))
    if let words = text("kind") {
      guard let kinds = LogFilter.kinds(words.split(separator: ",").map(String.init)) else {
        throw Refused.badRequest(LogFilter.unknownKind)
      }
      filter.kinds = kinds
    }
    let snapshot = snapshot(for: admitted)
    guard filter.isOfKnownType(snapshot.registry) else { throw Refused(.unknownType) }
    try enterQuery(admitted)
    defer { runningQueries.leave() }
    let wanted = filter
    let page = try await blocking { try snapshot.log(from: from, limit: limit, wanted) }
    return Reply.json(
      .ok, RegistryJSON.list(page.entries.map { LogRow.json($0, snapshot.registry) }), [.nextLSN: "\(page.next)"])
  }
}

extension LogFilter {
  /// What to say of a word that names no kind.
  package static var unknownKind: String {
    "A kind is one of \(signals.keys.sorted().joined(separator: ", ")), all, or of the log's own: "
      + names.joined(separator: ", ")
  }
}
