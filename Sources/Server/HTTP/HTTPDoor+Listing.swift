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
      let listing = FrameListing(
        snapshot: store.snapshot(),
        scales: FrameDoor.scales(store.shared.live.withLock { $0.registry.types }))
      var frames: [String] = []
      for (lsn, recordedAt, message) in FrameListing.messages(store, before: before, limit: limit) {
        frames.append(try listing.json(lsn, recordedAt, message))
      }
      return RegistryJSON.list(frames)
    }
    return Reply.json(text)
  }
}
