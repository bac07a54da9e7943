import ArgumentParser

/// Commands that the contract names and that come with later work: they say so, and never pretend.
protocol NotYetCommand: ParsableCommand {
  static var remedy: String? { get }
  var rest: [String] { get }
}

extension NotYetCommand {
  static var remedy: String? { nil }

  static func help(_ name: String, _ abstract: String, example: String) -> CommandConfiguration {
    CommandConfiguration(
      commandName: name, abstract: "\(abstract) (not yet)", discussion: "EXAMPLE: \(example)")
  }

  func run() throws {
    throw CommandError.notYet("tsq \(Self.configuration.commandName ?? "")", instead: Self.remedy)
  }
}

struct ExportCommand: NotYetCommand {
  static let configuration = help(
    "export", "Write a table to a file.", example: "tsq export --table power -o power.parquet")
  static let remedy: String? = "use: tsq query --format csv -o FILE 'SELECT …'"
  @Argument(parsing: .allUnrecognized) var rest: [String] = []
}

struct TokenCommand: NotYetCommand {
  static let configuration = help(
    "token", "Access tokens.", example: "tsq token create --role reader")
  @Argument(parsing: .allUnrecognized) var rest: [String] = []
}

struct CommandCommand: NotYetCommand {
  static let configuration = help(
    "command", "Send a command to a device.", example: "tsq command send b827eb08451e reboot")
  @Argument(parsing: .allUnrecognized) var rest: [String] = []
}

struct TariffCommand: NotYetCommand {
  static let configuration = help("tariff", "Prices and their validity.", example: "tsq tariff list")
  @Argument(parsing: .allUnrecognized) var rest: [String] = []
}

struct BackupCommand: NotYetCommand {
  static let configuration = help("backup", "Copy a store as it is now.", example: "tsq backup /mnt/backup")
  static let remedy: String? = "while no tsq has the store open, copy its directory"
  @Argument(parsing: .allUnrecognized) var rest: [String] = []
}

struct RestoreCommand: NotYetCommand {
  static let configuration = help(
    "restore", "Make a store from a backup.", example: "tsq restore /mnt/backup --to 2026-01-01T00:00:00Z")
  @Argument(parsing: .allUnrecognized) var rest: [String] = []
}

struct ProveCommand: NotYetCommand {
  static let configuration = help(
    "prove", "A proof of one reading that others can check.", example: "tsq prove --lsn 1234")
  @Argument(parsing: .allUnrecognized) var rest: [String] = []
}

struct PublishCommand: NotYetCommand {
  static let configuration = help(
    "publish", "Publish sealed data as an open table.", example: "tsq publish --to /srv/lake")
  @Argument(parsing: .allUnrecognized) var rest: [String] = []
}

struct FollowCommand: NotYetCommand {
  static let configuration = help(
    "follow", "Keep a copy of another server's store.", example: "tsq follow http://primary:8086")
  @Argument(parsing: .allUnrecognized) var rest: [String] = []
}

