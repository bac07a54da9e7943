import ArgumentParser
import Glibc

struct QueryCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "query",
    abstract: "Answer SQL and leave.",
    discussion: """
      Several statements are parted by ; and run in order until one fails.
      Without SQL it reads standard input, or opens the shell on a terminal.

      EXAMPLES:
        tsq query 'SELECT sensor, avg(power) FROM power GROUP BY sensor'
        tsq query -f report.sql --format csv -o report.csv
        tsq query --param w=3000 'SELECT count(*) FROM power WHERE power > :w'
      """)

  @Argument(help: ArgumentHelp("The statements.", valueName: "SQL")) var sql: String?
  @Option(name: [.customShort("f"), .long], help: ArgumentHelp("Read the statements from a file; - is standard input.", valueName: "FILE"))
  var file: String?
  @Option(help: "table, csv, json, ndjson, markdown, line, list or parquet.")
  var format: OutputFormat = .table
  @Option(name: [.customShort("o"), .long], help: ArgumentHelp("Write the answer to a file.", valueName: "FILE"))
  var output: String?
  @Option(name: .customLong("param"), help: ArgumentHelp("A parameter, as :name or $1 in the SQL.", valueName: "name=value"))
  var parameters: [String] = []
  @Option(help: ArgumentHelp("Show times of this zone instead of UTC.", valueName: "ZONE")) var timezone: String?
  @Flag(help: "Draw the answer as a chart.") var chart = false
  @Flag(help: "Answer from what is left where files are damaged, instead of failing.") var aroundDamage = false
  @OptionGroup var location: StoreLocation

  func run() throws {
    if sql != nil && file != nil { throw CommandError.usage("give the SQL or -f FILE, not both") }
    if sql == nil && file == nil && Terminal.isTerminal(STDIN_FILENO) {
      return try ShellCommand.start(location.place(), format: format)
    }
    let text = try sql ?? String(decoding: System.contents(of: file ?? "-"), as: UTF8.self)
    var script = QueryScript(text: text, format: chart ? nil : format)
    script.parameters = try Self.parse(parameters)
    script.output = output
    script.timezone = timezone
    script.skipsDamage = aroundDamage
    try script.run(at: location.place())
  }

  private static func parse(_ parameters: [String]) throws -> [String: String] {
    var values: [String: String] = [:]
    for parameter in parameters {
      guard let equals = parameter.firstIndex(of: "="), equals > parameter.startIndex else {
        throw CommandError.usage("--param takes name=value, not \"\(parameter)\"")
      }
      values[String(parameter[..<equals])] = String(parameter[parameter.index(after: equals)...])
    }
    return values
  }
}
