import ArgumentParser
import Glibc

struct ShellCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "shell",
    abstract: "Ask questions interactively.",
    discussion: """
      Statements from a pipe run without banner, prompt or colour.

      EXAMPLES:
        tsq shell demo
        echo 'SELECT count(*) FROM power;' | tsq shell demo
      """)

  @Argument(help: ArgumentHelp("A store's directory, or the URL of a server.", valueName: "DIR|URL"))
  var place: String?
  @Option(help: "How answers are shown at first.") var format: OutputFormat = .table
  @OptionGroup var location: StoreLocation

  func run() throws { try Self.start(location.place(argument: place), format: format) }

  static func start(_ place: StoreLocation.Place, format: OutputFormat) throws {
    Interrupts.shared.install()
    let session = try Sessions.open(place, timezone: nil)
    let isInteractive = Terminal.isTerminal(STDIN_FILENO) && Terminal.isTerminal(STDOUT_FILENO)
    let shell = Shell(session: session, format: format, isInteractive: isInteractive)
    if isInteractive {
      shell.interact()
    } else {
      shell.readPiped()
      if shell.hadError { throw CommandError.failed("") }
    }
  }
}
