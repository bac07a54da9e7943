import TSEngine

/// The registry that a command names: a store's, or a server's.
enum RegistryAccess {
  /// Runs one of the two bodies.
  static func at(
    _ location: StoreLocation, store: (String) throws -> Void, server: (RemoteRegistry) throws -> Void
  ) throws {
    switch try location.place() {
    case .directory(let directory): try store(directory)
    case .server(let url): try server(RemoteRegistry(url))
    }
  }

  static func reading(
    _ location: StoreLocation, _ body: (Store) throws -> Void, server: (RemoteRegistry) throws -> Void
  ) throws {
    try at(location, store: { try StoreAccess.reading($0, body) }, server: server)
  }

  static func writing(
    _ location: StoreLocation, _ body: (Store) throws -> Void, server: (RemoteRegistry) throws -> Void
  ) throws {
    try at(location, store: { try StoreAccess.writing($0, body) }, server: server)
  }
}
