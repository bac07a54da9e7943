import ArgumentParser
import Query

enum OutputFormat: String, CaseIterable, ExpressibleByArgument {
  case table, csv, json, ndjson, markdown, line, list, parquet

  /// The same form as the server's, byte for byte.
  var forPrograms: ResultFormat? { ResultFormat(rawValue: rawValue) }

  /// - Throws: `CommandError` exit 2 for a format that is not there yet.
  func writer(to sink: any ByteSink, _ style: OutputStyle) throws -> any RowWriter {
    switch self {
    case .table: TableWriter(sink: sink, style: style)
    case .csv: ResultFormat.csv.writer(to: sink)
    case .json: ResultFormat.json.writer(to: sink)
    case .ndjson: ResultFormat.ndjson.writer(to: sink)
    case .list: DelimitedWriter(sink: sink, dialect: .list)
    case .markdown: MarkdownWriter(sink: sink)
    case .line: LineWriter(sink: sink)
    case .parquet: throw CommandError.notYet("--format parquet", instead: "use --format csv or ndjson")
    }
  }
}

/// What a table looks like. `plain` is what goes into a pipe or a file.
struct OutputStyle: Sendable, Equatable {
  var colour = false
  /// Cells of the terminal; nil is no limit.
  var width: Int?
  /// How a null is shown; the formats for programs have a null of their own.
  var null = "NULL"

  static let plain = OutputStyle()
}
