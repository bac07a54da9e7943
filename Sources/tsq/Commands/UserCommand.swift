import ArgumentParser
import struct Query.ResultColumn
import enum Query.TimestampText
import TSEngine

struct UserCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "user",
    abstract: "The people whose devices these are.",
    discussion: """
      EXAMPLES:
        tsq user create ann
        tsq user delete ann --dry-run
      """,
    subcommands: [
      UserList.self, UserShow.self, UserCreate.self, UserDelete.self, UserHistory.self, UserPassword.self,
    ])
}

struct UserList: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "All users.", discussion: "EXAMPLE: tsq user list --format json")
  @Option(help: "table, csv, json, ndjson, markdown, line or list.") var format: OutputFormat = .table
  @OptionGroup var location: StoreLocation

  func run() throws {
    try RegistryAccess.reading(location) { store in
      let registry = try store.wholeRegistry()
      let living = registry.users.sorted().filter { $0.deletedAt == nil }
      try format.print(UserText.columns, living.map { UserText.row($0, registry) })
    } server: { server in
      try server.show("users", format: format)
    }
  }
}

struct UserShow: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "One user and their devices.", discussion: "EXAMPLE: tsq user show ann")
  @Argument(help: ArgumentHelp("The user.", valueName: "NAME")) var name: String
  @Option(help: "table, csv, json, ndjson, markdown, line or list.") var format: OutputFormat = .line
  @OptionGroup var location: StoreLocation

  func run() throws {
    try RegistryAccess.reading(location) { store in
      let registry = try store.wholeRegistry()
      let id = try registry.user(named: name)
      guard let user = registry.users[id] else { return }
      try format.print(UserText.columns, [UserText.row(user, registry)])
    } server: { server in
      try server.show("users", name, format: format)
    }
  }
}

struct UserCreate: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "create", abstract: "Make a user.", discussion: "EXAMPLE: tsq user create ann --admin")
  @Argument(help: ArgumentHelp("1 to 150 characters.", valueName: "NAME")) var name: String
  @Flag(help: "May change everything.") var admin = false
  @OptionGroup var location: StoreLocation

  func run() throws {
    let (name, isAdmin) = (name, admin)
    try RegistryAccess.writing(location) { store in
      _ = try store.decideHere { $0.createUser(name, isAdmin: isAdmin, $1) }
      Terminal.note("created user \(name)")
    } server: { server in
      try server.post("users", body: ["name": name, "admin": "\(isAdmin)"])
      Terminal.note("created user \(name)")
    }
  }
}

struct UserDelete: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "delete", abstract: "Delete a user; their devices are parked.",
    discussion: "EXAMPLE: tsq user delete ann --dry-run")
  @Argument(help: ArgumentHelp("The user.", valueName: "NAME")) var name: String
  @Flag(help: "Only say what would happen.") var dryRun = false
  @OptionGroup var location: StoreLocation

  func run() throws {
    try RegistryAccess.at(location) { directory in
      if dryRun {
        return try StoreAccess.reading(directory) { store in
          say(try store.wholeRegistry().associations.devices(of: store.wholeRegistry().user(named: name)).count)
        }
      }
      try StoreAccess.writing(directory) { store in
        let user = try store.wholeRegistry().user(named: name)
        say(try store.decideHere { $0.deleteUser(user, $1) })
      }
    } server: { server in
      say(Int(try server.delete("users", name, dryRun: dryRun)["parked"] ?? "") ?? 0)
    }
  }

  private func say(_ parked: Int) {
    let devices = "\(parked) device\(parked == 1 ? "" : "s")"
    Terminal.note(
      dryRun
        ? "would delete user \(name) and park \(devices); nothing was changed"
        : "deleted user \(name), parked \(devices); history and readings stay")
  }
}

struct UserHistory: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "history", abstract: "What happened to a user.", discussion: "EXAMPLE: tsq user history ann")
  @Argument(help: ArgumentHelp("The user.", valueName: "NAME")) var name: String
  @Option(help: "table, csv, json, ndjson, markdown, line or list.") var format: OutputFormat = .table
  @OptionGroup var location: StoreLocation

  func run() throws {
    try RegistryAccess.reading(location) { store in
      let user = try store.wholeRegistry().user(named: name)
      try format.printEvents(of: store) { $0.kind.user == user }
    } server: { server in
      throw CommandError.notYet("tsq user history --connect", instead: "use tsq events")
    }
  }
}

struct UserPassword: NotYetCommand {
  static let configuration = help("passwd", "Set a user's password.", example: "tsq user passwd ann")
  @Argument(parsing: .allUnrecognized) var rest: [String] = []
}

enum UserText {
  static let columns: [ResultColumn] = [
    ResultColumn(name: "name", kind: .text), ResultColumn(name: "admin", kind: .bool),
    ResultColumn(name: "active", kind: .bool), ResultColumn(name: "devices", kind: .text),
    ResultColumn(name: "created_at", kind: .timestamp), ResultColumn(name: "id", kind: .text),
  ]

  static func row(_ user: User, _ registry: TSEngine.Registry) -> [String?] {
    let devices =
      user.id == .parked
      ? "\(registry.devices.sorted().count { registry.associations.owner(of: $0.id) == .parked }) parked"
      : registry.associations.devices(of: user.id).joined(separator: " ")
    return [
      user.name, "\(user.isAdmin)", "\(user.isActive)", devices, TimestampText.format(user.createdAt), user.id.text,
    ]
  }
}
