import Query
import TSEngine

/// Opens what a command names.
enum Sessions {
  /// - Parameter timezone: of the times that are shown; nil is UTC.
  /// - Parameter skipsDamage: reads what is left where files of a store are damaged.
  static func open(
    _ place: StoreLocation.Place, timezone: String?, skipsDamage: Bool = false
  ) throws -> any SQLSession {
    if let timezone, !["UTC", "Z", "Etc/UTC"].contains(timezone) {
      throw CommandError.notYet("--timezone \(timezone)", instead: "times are shown in UTC")
    }
    switch place {
    case .directory(let directory): return try LocalSession(directory, skipsDamage: skipsDamage)
    case .server where skipsDamage:
      throw CommandError.usage("--around-damage reads a store; give --store DIR, also beside its server")
    case .server(let url): return RemoteSession(try ServerURL(url))
    }
  }
}
