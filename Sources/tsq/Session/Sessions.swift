/// Opens what a command names.
enum Sessions {
  static func open(_ place: StoreLocation.Place, timezone: String?) throws -> any SQLSession {
    throw CommandError.notYet("asking a store")
  }
}
