import TSEngine

/// `<prefix>/<type>/<device>/<channel>`: where devices of declared types talk (D-25).
package struct ThingTopic: Sendable, Equatable {
  package enum Channel: String, Sendable { case data, status, ack }

  package static let defaultPrefix = "things"

  package var type: String
  package var device: String
  package var channel: Channel

  /// Nil where the topic is another's. Type and device may be nobody's.
  package init?(_ topic: String, prefix: String) {
    guard topic.hasPrefix(prefix + "/") else { return nil }
    let parts = topic.dropFirst(prefix.count + 1).split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 3, let channel = Channel(rawValue: String(parts[2])) else { return nil }
    (type, device, self.channel) = (String(parts[0]), String(parts[1]), channel)
  }

  /// - Parameter group: members of it share the messages; nil: every server has them all.
  package static func filters(prefix: String, group: String?) -> [String] {
    let share = group.map { "$share/\($0)/" } ?? ""
    return ["data", "status", "ack"].map { "\(share)\(prefix)/+/+/\($0)" }
  }
}
