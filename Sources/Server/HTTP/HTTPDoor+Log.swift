import Foundation
import Hummingbird
import Query
import TSEngine

/// `GET /api/events?from=&limit=&kind=&type=&device=` (D-30): what happened from a position of the log on, oldest first.
/// `kind` is a list of kinds or signals, as `connected,status_changed`; without it all of the registry is told.
/// The header `X-Tsq-Next-Lsn` is the `from` of the next page, also where a filter left nothing over; a page may be short
/// or empty before the end, which is reached where that is above `X-Tsq-Lsn`, the newest position there was. A page
/// looks at `Snapshot.logPageWork` bytes, and ends with whoever asked for it.
extension HTTPDoor {
  private static let logLimit = 10_000

  func showLog(_ request: Request, _ admitted: Admission) async throws -> Response {
    func text(_ name: String) -> String? { request.uri.queryParameters[name[...]].map(String.init) }
    let from = try Self.number(request, "from").map { UInt64($0) } ?? 0
    let limit = min(max(try Self.number(request, "limit") ?? 1000, 1), Self.logLimit)
    var filter = LogFilter(type: text("type"), device: text("device"))
    if let words = text("kind") {
      guard let kinds = LogFilter.kinds(words.split(separator: ",", omittingEmptySubsequences: false).map(String.init))
      else {
        throw Refused.badRequest(LogFilter.unknownKind)
      }
      filter.kinds = kinds
    }
    let snapshot = snapshot(for: admitted)
    guard filter.isOfKnownType(snapshot.registry) else { throw Refused(.unknownType) }
    try enterQuery(admitted)
    defer { runningQueries.leave() }
    let (wanted, cancel, clock) = (filter, CancelFlag(), store.options.clock)
    let deadline = clock.monotonicNanos() + Self.queryTimeoutNanos
    let page = try await withTaskCancellationHandler {
      try await blocking {
        try snapshot.log(from: from, limit: limit, wanted, work: Snapshot.logPageWork) {
          cancel.isCancelled || clock.monotonicNanos() > deadline
        }
      }
    } onCancel: {
      cancel.cancel()
    }
    return Reply.json(
      .ok, RegistryJSON.list(page.entries.map { LogRow.json($0, snapshot.registry) }), [.nextLSN: "\(page.next)", .newestLSN: "\(snapshot.lsn)"])
  }
}

extension LogFilter {
  /// What to say of a word that names no kind.
  package static var unknownKind: String {
    "A kind is one of \(signals.keys.sorted().joined(separator: ", ")), all, or of the log's own: "
      + names.joined(separator: ", ")
  }
}
