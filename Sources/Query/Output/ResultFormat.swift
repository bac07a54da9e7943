/// The forms of an answer for programs, the same over HTTP and at the command line (INTERFACES,
/// section 1, "Output formats").
package enum ResultFormat: String, CaseIterable, Sendable {
  case csv, json, ndjson

  package func writer(to sink: any ByteSink) -> any RowWriter {
    switch self {
    case .csv: DelimitedWriter(sink: sink, dialect: .csv)
    case .json: JSONWriter(sink: sink, shape: .array)
    case .ndjson: JSONWriter(sink: sink, shape: .lines)
    }
  }
}
