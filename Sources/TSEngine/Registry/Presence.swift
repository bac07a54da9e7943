import HashTreeCollections

/// When devices were last heard of, from the messages they sent: each is in the log anyway, so being heard
/// costs no record of its own. Not in the digest nor in a checkpoint: an opening asks the newest messages
/// (`Snapshot.recalledPresence`), and a change of status writes down what was known then.
package struct Presence: Sendable, Equatable {
  private var byDevice: TreeDictionary<String, Int64> = [:]

  package init() {}

  package subscript(device: String) -> Int64? { byDevice[device] }

  /// That of `devices` alone, where `isWanted`.
  func only(_ devices: [String], where isWanted: (String, Int64) -> Bool) -> Presence {
    var some = Presence()
    for device in devices { if let time = byDevice[device], isWanted(device, time) { some.note(device, at: time) } }
    return some
  }

  mutating func note(_ device: String, at time: Int64) {
    if byDevice[device].map({ $0 >= time }) ?? false { return }
    byDevice[device] = time
  }

  mutating func forget(_ device: String) { byDevice[device] = nil }
}
