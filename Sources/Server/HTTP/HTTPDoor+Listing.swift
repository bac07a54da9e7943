import Hummingbird
import TSEngine

/// `GET /powermon/?limit=&before=`: frames received, newest first, a page at a time. `before` is the
/// `id` of the last one of the page before.
extension HTTPDoor {
  private static let pageLimit = 1000

  func listFrames(_ request: Request) async throws -> Response {
    let limit = min(max(try Self.number(request, "limit") ?? 100, 1), Self.pageLimit)
    let before = try Self.number(request, "before").map { LSN($0) } ?? .max
    let store = store
    let text = try await blocking {
      let snapshot = store.snapshot()
      let listing = FrameListing(snapshot: snapshot, scales: FrameDoor.scales(snapshot.registry.types))
      return RegistryJSON.list(try listing.page(before: before, limit: limit))
    }
    return Reply.json(text)
  }
}
