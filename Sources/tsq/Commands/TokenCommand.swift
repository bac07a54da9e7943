import ArgumentParser
import struct Query.ResultColumn
import enum Query.TimestampText
import Server
import TSEngine

struct TokenCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "token",
    abstract: "Tokens: who comes in over the network, and what for.",
    discussion: """
      An admin does everything; a writer sends readings and nothing else; a reader reads
      everything and changes nothing; a device sends and reads what is its own; a user
      reads the times in which devices were theirs. The store keeps no token, so what
      create prints is shown once.

      EXAMPLES:
        tsq token create --role reader --label grafana
        tsq token create --role user --user ann --lifetime 30d
        tsq token revoke reader-3f9a1c5e7b20 --dry-run
      """,
    subcommands: [TokenList.self, TokenShow.self, TokenCreate.self, TokenRevoke.self])
}

struct TokenList: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "Tokens that are good, without what is secret of them.",
    discussion: "EXAMPLE: tsq token list --all --format json")
  @Flag(help: "Also those that expired or were revoked.") var all = false
  @Option(help: "table, csv, json, ndjson, markdown, line or list.") var format: OutputFormat = .table
  @OptionGroup var location: StoreLocation

  func run() throws {
    try RegistryAccess.reading(location) { store in
      let (registry, now) = (try store.wholeRegistry(), System.wallNanos())
      let wanted = registry.tokens.sorted().filter { all || $0.isValid(at: now) }
      try format.print(TokenText.columns, wanted.map { TokenText.row($0, registry, now: now) })
    } server: { server in
      try server.show("tokens", query: [("all", all ? "1" : nil)], format: format)
    }
  }
}

struct TokenShow: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "One token, without what is secret of it.",
    discussion: "EXAMPLE: tsq token show reader-3f9a1c5e7b20")
  @Argument(help: ArgumentHelp("Its public id.", valueName: "ID")) var id: String
  @Option(help: "table, csv, json, ndjson, markdown, line or list.") var format: OutputFormat = .line
  @OptionGroup var location: StoreLocation

  func run() throws {
    try RegistryAccess.reading(location) { store in
      let registry = try store.wholeRegistry()
      try format.print(TokenText.columns, [TokenText.row(try registry.token(id), registry, now: System.wallNanos())])
    } server: { server in
      try server.show("tokens", id, format: format)
    }
  }
}

extension TokenRole: ExpressibleByArgument {}

struct TokenCreate: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "create", abstract: "Make a token, shown this once.",
    discussion: """
      Without --lifetime a device's is good for 90 days, a user's for 12 hours, others
      for a year.

      EXAMPLES:
        tsq token create --role writer --label 'gateway in hall 3'
        tsq token create --role device --device gresystem000001
        TSQ_TOKEN=$(tsq token create --role reader --format list | cut -d'|' -f4)
      """)
  @Option(help: "admin, writer, reader, device or user.") var role: TokenRole
  @Option(help: ArgumentHelp("Whose it is, of the role user.", valueName: "NAME")) var user: String?
  @Option(help: ArgumentHelp("Which one's it is, of the role device.", valueName: "ID")) var device: String?
  @Option(help: ArgumentHelp("What it is for.", valueName: "TEXT")) var label = ""
  @Option(help: ArgumentHelp("How long it is good: 10m, 12h, 90d, up to 10 years.", valueName: "AGE"))
  var lifetime: String?
  @Option(help: "table, csv, json, ndjson, markdown, line or list.") var format: OutputFormat = .line
  @OptionGroup var location: StoreLocation

  private static let names = ["public_id", "role", "expires_at", "token"]

  func validate() throws {
    guard (role == .user) == (user != nil) else {
      throw ValidationError(role == .user ? "a token of the role user needs --user NAME" : "--user is for the role user")
    }
    guard (role == .device) == (device != nil) else {
      throw ValidationError(
        role == .device ? "a token of the role device needs --device ID" : "--device is for the role device")
    }
    if let lifetime, RetentionAge(lifetime) == nil { throw ValidationError("--lifetime is a length of time, as 12h or 90d") }
  }

  func run() throws {
    try RegistryAccess.writing(location) { store in
      let registry = try store.wholeRegistry()
      let person = try user.map { try registry.user(named: $0) }
      if let device { _ = try registry.device(device) }
      let issued = try TokenMaker(store).issue(
        role, user: person, device: device, label: label, lifetimeNanos: lifetime.flatMap { RetentionAge($0)?.nanos },
        actor: StoreAccess.actor, cause: Cause(message: "command line")
      ).mapError { refusal in
        CommandError.failed(
          refusal == .invalidValue ? "a label has up to 255 characters, a lifetime up to 10 years" : refusal.sentence)
      }.get()
      try show([issued.publicID, role.rawValue, TimestampText.format(issued.expiresAt), issued.token])
    } server: { server in
      let issued = try server.post(
        "tokens",
        body: [
          "role": role.rawValue, "user": user, "device": device, "label": label.isEmpty ? nil : label,
          "lifetime": lifetime,
        ])
      try show(Self.names.map { issued[$0] ?? "" })
    }
  }

  private func show(_ values: [String]) throws {
    let columns = Self.names.map { ResultColumn(name: $0, kind: $0 == "expires_at" ? .timestamp : .text) }
    try format.print(columns, [values])
    Terminal.note("this token is shown this once")
  }
}

struct TokenRevoke: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "revoke", abstract: "End a token at once; it stays in the list of all.",
    discussion: "EXAMPLE: tsq token revoke reader-3f9a1c5e7b20 --dry-run", aliases: ["delete"])
  @Argument(help: ArgumentHelp("Its public id.", valueName: "ID")) var id: String
  @Flag(help: "Only say what would happen.") var dryRun = false
  @OptionGroup var location: StoreLocation

  func run() throws {
    let id = id
    try RegistryAccess.at(location) { directory in
      if dryRun { return try StoreAccess.reading(directory) { say(try Self.role(of: id, $0)) } }
      try StoreAccess.writing(directory) { store in
        let role = try Self.role(of: id, store)
        try store.decideHere { $0.revokeToken(id, $1) }
        say(role)
      }
    } server: { server in
      say(try server.delete("tokens", id, dryRun: dryRun)["role"] ?? "")
    }
  }

  private static func role(of id: String, _ store: Store) throws -> String {
    let token = try store.wholeRegistry().token(id)
    if let at = token.revokedAt {
      throw CommandError.failed("the token \(id) was revoked already, at \(TimestampText.format(at))")
    }
    return token.grant.role.rawValue
  }

  private func say(_ role: String) {
    let what = role.isEmpty ? "the token \(id)" : "the \(role)'s token \(id)"
    Terminal.note(dryRun ? "would revoke \(what); nothing was changed" : "revoked \(what)")
  }
}

/// Tokens as rows; a server's have the same columns.
enum TokenText {
  static let columns: [ResultColumn] = [
    ResultColumn(name: "public_id", kind: .text), ResultColumn(name: "role", kind: .text),
    ResultColumn(name: "user", kind: .text), ResultColumn(name: "device", kind: .text),
    ResultColumn(name: "label", kind: .text), ResultColumn(name: "state", kind: .text),
    ResultColumn(name: "issued_at", kind: .timestamp), ResultColumn(name: "expires_at", kind: .timestamp),
    ResultColumn(name: "revoked_at", kind: .timestamp),
  ]

  static func row(_ token: Tokens.Token, _ registry: TSEngine.Registry, now: Int64) -> [String?] {
    [
      token.grant.publicID, token.grant.role.rawValue, token.grant.user.map { registry.users[$0]?.name ?? $0.text },
      token.grant.device, token.grant.label, token.state(at: now).rawValue, TimestampText.format(token.issuedAt),
      TimestampText.format(token.grant.expiresAt), token.revokedAt.map { TimestampText.format($0) },
    ]
  }
}

extension TSEngine.Registry {
  /// - Throws: `CommandError` exit 1.
  fileprivate func token(_ id: String) throws -> Tokens.Token {
    guard let token = tokens[id] else {
      throw CommandError.failed("there is no token \"\(id)\"; tsq token list --all names them by their public ids")
    }
    return token
  }
}
