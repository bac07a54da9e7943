import Hummingbird

extension HTTPDoor {
  func query(_ request: Request) async throws -> Response { throw Refused.notYet("SQL over HTTP") }
}
