import Query

/// A server that is asked over HTTP.
final class RemoteSession: SQLSession {
  private let url: ServerURL

  init(_ url: ServerURL) { self.url = url }

  var place: String { url.text }
  var canceller: @Sendable () -> Void { {} }

  func relations() throws -> [Relation] { [] }

  func run(
    _ sql: String, parameters: [String: String], into writer: inout any RowWriter
  ) throws -> QuerySummary {
    throw CommandError.notYet("SQL over --connect", instead: "a store can be read beside its server: --store DIR")
  }
}
