import ArgumentParser
import Glibc
import Query
import TSEngine

/// The command line. Data go to standard output, all else to standard error.
@main
struct Tsq: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tsq",
    abstract: "An event-sourced time-series store for fleets of sensors.",
    discussion: """
      Every command works on a store, --store DIR (else TSQ_STORE, else
      ./tsq-data), or asks a server, --connect URL (else TSQ_URL).

      EXAMPLES:
        tsq simulate --sensors 10 --seconds 3600 --to store:demo
        tsq query --store demo 'SELECT sensor, sum(power) FROM power GROUP BY sensor'
        tsq shell demo

      EXIT CODES: 0 done · 1 failed · 2 usage · 3 damage found ·
      4 store busy or unavailable · 130 interrupted
      """,
    version: "tsq \(tsqVersion)",
    groupedSubcommands: [
      CommandGroup(name: "Reading", subcommands: [
        QueryCommand.self, ShellCommand.self, ImportCommand.self, ExportCommand.self, SimulateCommand.self,
        ListenCommand.self,
      ]),
      CommandGroup(name: "Registry", subcommands: [
        DeviceCommand.self, UserCommand.self, EventsCommand.self, ReplayCommand.self, TypeCommand.self,
        RetentionCommand.self, ConflictCommand.self, QuarantineCommand.self, TokenCommand.self,
        CommandCommand.self, TariffCommand.self,
      ]),
      CommandGroup(name: "Operation", subcommands: [
        ServeCommand.self, VerifyCommand.self, CompactCommand.self, StatsCommand.self, SalvageCommand.self,
        RollupCommand.self, BackupCommand.self, RestoreCommand.self, ProveCommand.self, PublishCommand.self,
        FollowCommand.self, BenchCommand.self,
      ]),
    ])

  static func main() {
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
    Glibc.exit(run(Array(CommandLine.arguments.dropFirst())).rawValue)
  }

  /// Runs one command and says why it ended, if there is a reason to.
  static func run(_ arguments: [String]) -> ExitStatus {
    do {
      var command = try parseAsRoot(arguments)
      try command.run()
      return .done
    } catch {
      return report(error)
    }
  }

  private static func report(_ error: any Error) -> ExitStatus {
    switch error {
    case let error as CommandError:
      if !error.sentence.isEmpty { Terminal.error(error.sentence) }
      return error.status
    case OutputError.closed:
      return .done
    case OutputError.failed(let number):
      Terminal.error("the output cannot be written: \(System.message(number))")
      return .failed
    default: break
    }
    let message = fullMessage(for: error)
    if exitCode(for: error) == .success {
      // --help and --version are answers, not errors.
      try? FileSink(descriptor: STDOUT_FILENO).writeThrough(message)
      return .done
    }
    Terminal.note(message)
    return .usage
  }
}

extension FileSink {
  func writeThrough(_ text: String) throws(OutputError) {
    try write(text + "\n")
    try flush()
  }
}
