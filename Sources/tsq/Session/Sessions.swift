import Query
import TSEngine

/// Opens what a command names.
enum Sessions {
  /// - Parameter timezone: of the times that are shown; nil is UTC.
  static func open(_ place: StoreLocation.Place, timezone: String?) throws -> any SQLSession {
    if let timezone, !["UTC", "Z", "Etc/UTC"].contains(timezone) {
      throw CommandError.notYet("--timezone \(timezone)", instead: "times are shown in UTC")
    }
    switch place {
    case .directory(let directory): return try LocalSession(directory)
    case .server(let url): return RemoteSession(try ServerURL(url))
    }
  }
}
