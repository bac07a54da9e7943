import TSEngine

/// Who may do what on a broker, from the registry (L-51). Each device reaches only its own topics, and of these it
/// writes what it says and reads what it is told; the user whose it is has the mirror. One set of rules gives
/// mosquitto's password and ACL files, and the answers to a broker that asks (L-50).
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

    /// Of those brokers at which tsq has a name and a password; a tenth of a second each.
    static func all(_ brokers: [ServerOptions.Broker], _ rng: any RNG) -> [Login] {
      var logins: [Login] = []
      for broker in brokers {
        guard let user = broker.username, let password = broker.password, !logins.contains(where: { $0.username == user })
        else { continue }
        let hash = MosquittoPassword.hash(password) { Array(TokenKey.random(rng).prefix($0)) }
        logins.append(Login(username: user, passwordHash: hash))
      }
      return logins
    }
  }

  package struct Rule: Sendable, Equatable {
    package enum Access: String, Sendable { case read, write, readwrite }
    package var access: Access
    /// A topic filter.
    package var filter: String

    package init(_ access: Access, _ filter: String) {
      self.access = access
      self.filter = filter
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

  // MARK: Files

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
    for login in logins { add(login.username, Self.everything, to: &text) }
    for entry in registry.credentials.sorted() {
      let rules = rules(of: entry)
      for name in names(of: entry) { add(name, rules, to: &text) }
    }
    for user in people { add(user.name, rules(of: user), to: &text) }
    return text
  }

  private func add(_ name: String, _ rules: [Rule], to text: inout String) {
    text += "user \(name)\n" + rules.map { "topic \($0.access.rawValue) \($0.filter)\n" }.joined() + "\n"
  }

  private var people: [User] {
    let taken = Set(registry.credentials.sorted().flatMap(names) + logins.map(\.username))
    return registry.users.sorted().filter { Self.hasLogin($0) && !taken.contains($0.name) }
  }

  // MARK: Who is who

  /// A lamp's bridge may call itself by its client id too.
  private func names(of entry: Credentials.Entry) -> [String] {
    let isLamp = registry.devices[entry.device]?.type == DeviceType.lampi
    return isLamp ? [entry.username, entry.device + Self.bridgeSuffix] : [entry.username]
  }

  static let bridgeSuffix = "_broker"

  /// The device of which `name` is one of `names`.
  func device(named name: String) -> Credentials.Entry? {
    if let entry = registry.credentials[username: name] { return entry }
    guard name.hasSuffix(Self.bridgeSuffix),
      let entry = registry.credentials[String(name.dropLast(Self.bridgeSuffix.count))], names(of: entry).contains(name)
    else { return nil }
    return entry
  }

  /// Whether it is somebody with a password that a broker can check. A name that would end a field of the file has
  /// none.
  static func hasLogin(_ user: User) -> Bool {
    user.deletedAt == nil && user.isActive && user.passwordHash?.hasPrefix("$7$") ?? false
      && user.passwordHash?.utf8.contains { $0 < 0x20 || $0 == 0x3A } == false
      && !user.name.utf8.contains(0x3A) && user.name.utf8.first != 0x23
  }

  // MARK: Rules

  static let everything = [Rule(.readwrite, "#"), Rule(.readwrite, "$SYS/#")]

  func rules(of entry: Credentials.Entry) -> [Rule] {
    let topics = topics(of: entry.device)
    return topics.says.map { Rule(.write, $0) } + topics.hears.map { Rule(.read, $0) }
  }

  func rules(of user: User) -> [Rule] {
    registry.associations.devices(of: user.id).map(topics).flatMap { topics in
      // Only tsq says whose a lamp is.
      topics.says.map { Rule(.read, $0) } + topics.hears.filter { !$0.hasSuffix("/associated") }.map { Rule(.write, $0) }
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
