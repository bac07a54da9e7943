import TSEngine

/// What a broker asks (L-50), answered by the rules of its files.
extension BrokerAccess {
  /// Codes of mosquitto's plugins.
  package enum Wish: Int, Sendable {
    case read = 1
    case write = 2
    case readWrite = 3
    case subscribe = 4
  }

  /// What the password of `name` may be, at `now`, in mosquitto's form; empty for nobody. Secrets that overlap are
  /// all good.
  package func passwordHashes(of name: String, at now: Int64) -> [String] {
    if let login = logins.first(where: { $0.username == name }) { return [login.passwordHash] }
    if let entry = device(named: name) { return entry.valid(at: now).map(\.passwordHash) }
    guard let user = registry.users[named: name], Self.hasLogin(user) else { return [] }
    return [user.passwordHash].compactMap { $0 }
  }

  /// tsq alone.
  package func isSuperuser(_ name: String) -> Bool { logins.contains { $0.username == name } }

  package func rules(of name: String) -> [Rule] {
    if isSuperuser(name) { return Self.everything }
    if let entry = device(named: name) { return rules(of: entry) }
    return registry.users[named: name].map { Self.hasLogin($0) ? rules(of: $0) : [] } ?? []
  }

  /// A filter is subscribed only where one rule lets all be read that it matches.
  package func mayDo(_ wish: Wish, _ topic: String, as name: String) -> Bool {
    guard !topic.isEmpty, topic.utf8.count <= 65_535, !topic.utf8.contains(0) else { return false }
    let wished: Substring
    if wish == .subscribe {
      guard let filter = TopicFilter.unshared(topic) else { return false }
      wished = filter
    } else {
      guard !topic.utf8.contains(where: { $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "#") }) else { return false }
      wished = topic[...]
    }
    let rules = rules(of: name)
    func allows(_ access: Rule.Access) -> Bool {
      rules.contains { ($0.access == access || $0.access == .readwrite) && TopicFilter.covers($0.filter[...], wished) }
    }
    return switch wish {
    case .read, .subscribe: allows(.read)
    case .write: allows(.write)
    case .readWrite: allows(.read) && allows(.write)
    }
  }
}

/// Topic filters as sets of topics.
///
/// - Source: MQTT 5.0, section 4.7.
package enum TopicFilter {
  /// Whether `filter` matches every topic that `other`, a filter or a topic, matches. Where a wildcard stands first,
  /// topics that begin with `$` are not matched.
  package static func covers(_ filter: Substring, _ other: Substring) -> Bool {
    let wide = filter.split(separator: "/", omittingEmptySubsequences: false)
    let narrow = other.split(separator: "/", omittingEmptySubsequences: false)
    guard isWellFormed(wide), isWellFormed(narrow) else { return false }
    let isReserved = narrow[0].hasPrefix("$")
    for (level, part) in wide.enumerated() {
      if level == 0, isReserved, part == "#" || part == "+" { return false }
      // `a/#` matches `a` too.
      if part == "#" { return level <= narrow.count }
      guard level < narrow.count, narrow[level] != "#", part == "+" || part == narrow[level] else { return false }
    }
    return narrow.count == wide.count
  }

  /// `#` stands last, and wildcards alone in their level.
  private static func isWellFormed(_ levels: [Substring]) -> Bool {
    levels.enumerated().allSatisfy { level, part in
      if part == "#" { return level == levels.count - 1 }
      return part == "+" || !part.utf8.contains { $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "#") }
    }
  }

  /// The filter of `$share/<group>/<filter>`, or the filter itself; nil for a malformed one.
  package static func unshared(_ filter: String) -> Substring? {
    guard filter.hasPrefix("$share/") else { return filter[...] }
    let parts = filter.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count == 3, !parts[1].isEmpty, !parts[2].isEmpty,
      !parts[1].utf8.contains(where: { $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "#") })
    else { return nil }
    return parts[2]
  }
}
