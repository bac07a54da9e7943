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

struct TariffCommand: NotYetCommand {
  static let configuration = help("tariff", "Prices and their validity.", example: "tsq tariff list")
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

