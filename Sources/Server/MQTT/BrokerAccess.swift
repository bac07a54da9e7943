import TSEngine

/// Who may do what on a broker, from the registry (L-51): mosquitto's password and ACL files. Each device reaches only
/// its own topics, and of these it writes what it says and reads what it is told; the user whose it is has the mirror.
package struct BrokerAccess: Sendable {
  /// tsq itself, which passes everywhere.
  package struct Login: Sendable, Equatable {
    package var username: String
    /// In mosquitto's form.
    package var passwordHash: String

    package init(username: String, passwordHash: String) {
      self.username = username
      self.passwordHash = passwordHash
    }
  }

  package let registry: Registry
  package let logins: [Login]
  /// Where the broker tells which bridges are connected.
  package let discoveryPrefix: String
  /// Under which declared types have their topics.
  package let thingsPrefix: String

  package init(
    _ registry: Registry, logins: [Login], discoveryPrefix: String, thingsPrefix: String = ThingTopic.defaultPrefix
  ) {
    self.registry = registry
    self.thingsPrefix = thingsPrefix
    self.logins = logins
    self.discoveryPrefix = discoveryPrefix
  }

  /// `name:$7$…` a line. Of secrets that overlap the newest stands here: the file has one password a name.
  package var passwords: String {
    var lines = logins.map { "\($0.username):\($0.passwordHash)" }
    for entry in registry.credentials.sorted() {
      for name in names(of: entry) { lines.append("\(name):\(entry.secrets.passwordHash)") }
    }
    for user in people { lines.append("\(user.name):\(user.passwordHash ?? "")") }
    return lines.map { $0 + "\n" }.joined()
  }

  package var acl: String {
    var text = ""
    for login in logins { add(login.username, ["readwrite #", "readwrite $SYS/#"], to: &text) }
    for entry in registry.credentials.sorted() {
      let topics = topics(of: entry.device)
      let rules = topics.says.map { "write \($0)" } + topics.hears.map { "read \($0)" }
      for name in names(of: entry) { add(name, rules, to: &text) }
    }
    for user in people {
      let own = registry.associations.devices(of: user.id).map(topics)
      add(user.name, own.flatMap { topics in
        // Only tsq says whose a lamp is.
        topics.says.map { "read \($0)" } + topics.hears.filter { !$0.hasSuffix("/associated") }.map { "write \($0)" }
      }, to: &text)
    }
    return text
  }

  private func add(_ name: String, _ rules: [String], to text: inout String) {
    text += "user \(name)\n" + rules.map { "topic \($0)\n" }.joined() + "\n"
  }

  /// A lamp's bridge may call itself by its client id too.
  private func names(of entry: Credentials.Entry) -> [String] {
    let isLamp = registry.devices[entry.device]?.type == DeviceType.lampi
    return isLamp ? [entry.username, "\(entry.device)_broker"] : [entry.username]
  }

  /// People with a password that a broker can check. A name that would end a field of the file, or is a device's or
  /// tsq's, has none there.
  private var people: [User] {
    let taken = Set(registry.credentials.sorted().flatMap(names) + logins.map(\.username))
    return registry.users.sorted().filter { user in
      user.deletedAt == nil && user.isActive && user.passwordHash?.hasPrefix("$7$") ?? false
        && user.passwordHash?.utf8.contains { $0 < 0x20 || $0 == 0x3A } == false
        && !user.name.utf8.contains(0x3A) && user.name.utf8.first != 0x23 && !taken.contains(user.name)
    }
  }

  /// What `device` writes, and what it reads.
  private func topics(of device: String) -> (says: [String], hears: [String]) {
    let type = registry.devices[device]?.type ?? ""
    switch type {
    case DeviceType.lampi:
      let base = "devices/\(device)/lamp"
      return (
        [
          "\(base)/changed", "\(base)/connection/+/state", "\(base)/bluetooth",
          "\(discoveryPrefix)/\(device)_broker/state",
        ],
        ["\(base)/set_config", "\(base)/associated"]
      )
    case DeviceType.power: return (["powermon/\(device)/data"], ["powermon/\(device)/ack"])
    case "": return ([], [])
    default:
      let base = "\(thingsPrefix)/\(type)/\(device)"
      return (["\(base)/data", "\(base)/status", "\(base)/ack"], ["\(base)/cmd"])
    }
  }
}
