import ArgumentParser
import Glibc

struct ImportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import",
    abstract: "Load readings from files.",
    discussion: """
      CSV has a header: ts, time or timestamp (RFC 3339, or a number whose unit
      its size tells) or timestamp_s|ms|us|ns; sensor or device; probe (1 if
      absent); all else names columns, and an empty cell is null. NDJSON has an
      object a line with such keys. Files may be gzipped; - is standard input.
      Loading a file again adds nothing: its rows count as same.

      EXAMPLES:
        tsq import --table power readings.csv.gz
        tsq import --table power --span 1s --rejects bad.csv readings.csv
      """)

  @Option(help: ArgumentHelp("The table that takes the rows.", valueName: "TABLE")) var table = "power"
  @Option(help: ArgumentHelp("csv or ndjson (else by the file's name).", valueName: "FORMAT")) var format: String?
  @Option(help: ArgumentHelp("What a row covers when it does not say so (else the table's default).", valueName: "SPAN"))
  var span: String?
  @Option(help: ArgumentHelp("Write lines that were not taken to this file, with number and reason.", valueName: "FILE"))
  var rejects: String?
  @Argument(help: ArgumentHelp("What to load.", valueName: "FILE")) var files: [String]
  @OptionGroup var location: StoreLocation

  func run() throws {
    let directory = try location.directory("import")
    var load = Load(table: table, spanNanos: try span.map(CommandTime.parseSpan), rejectsPath: rejects)
    for file in files {
      let format = try Load.format(named: format, of: file)
      guard file == "-" || access(file, R_OK) == 0 else {
        throw CommandError.failed("cannot read \(file): \(System.message(errno))")
      }
      load.files.append((file, format))
    }
    try load.run(into: directory)
  }
}
