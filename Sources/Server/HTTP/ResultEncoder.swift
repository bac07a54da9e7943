import Query
import TSEngine

/// Rows of an answer as they go over the wire (INTERFACES, section 1): `json` is one array of
/// objects in column order, `ndjson` one object a line, `csv` has a header and leaves nulls empty.
struct ResultEncoder {
  enum Format: String {
    case json, csv, ndjson

    var contentType: String {
      switch self {
      case .json: "application/json"
      case .csv: "text/csv; charset=utf-8; header=present"
      case .ndjson: "application/x-ndjson"
      }
    }
  }

  let format: Format
  private let columnCount: Int
  /// What stands before each value: `{"a":`, `,"b":`.
  private var keys: [[UInt8]] = []
  private var hasRows = false
  private(set) var bytes: [UInt8] = []

  init(_ format: Format, columns: [String]) {
    self.format = format
    columnCount = columns.count
    switch format {
    case .json, .ndjson:
      keys = columns.enumerated().map { Array((($0 == 0 ? "{" : ",") + JSONText.quoted($1) + ":").utf8) }
      if format == .json { bytes.append(UInt8(ascii: "[")) }
    case .csv:
      keys = columns.indices.map { $0 == 0 ? [] : [UInt8(ascii: ",")] }
      bytes += Array((columns.map(Self.csv).joined(separator: ",") + "\r\n").utf8)
    }
  }

  /// What was written since the last time.
  mutating func take() -> [UInt8] {
    let taken = bytes
    bytes.removeAll(keepingCapacity: true)
    return taken
  }

  mutating func add(_ batch: ResultBatch) {
    for row in 0..<batch.rowCount {
      if format == .json, hasRows { bytes.append(UInt8(ascii: ",")) }
      hasRows = true
      for column in 0..<columnCount {
        bytes += keys[column]
        add(batch.value(row, column))
      }
      switch format {
      case .json: bytes.append(UInt8(ascii: "}"))
      case .ndjson: bytes += [UInt8(ascii: "}"), 0x0A]
      case .csv: bytes += [0x0D, 0x0A]
      }
    }
  }

  mutating func end() {
    if format == .json { bytes += [UInt8(ascii: "]"), 0x0A] }
  }

  private mutating func add(_ value: SQLValue) {
    let isText: Bool
    let text: String
    switch value {
    case .null:
      if format != .csv { bytes += Array("null".utf8) }
      return
    case .bool(let flag): (text, isText) = (flag ? "true" : "false", false)
    case .int(let number): (text, isText) = (String(number), false)
    case .wide(let number): (text, isText) = (String(number), false)
    case .float(let number):
      (text, isText) = (format == .csv ? "\(number)" : JSONText.number(number), false)
    case .text(let string): (text, isText) = (string, true)
    case .timestamp(let nanos): (text, isText) = (TimestampText.format(nanos), true)
    case .interval(let interval): (text, isText) = (interval.text, true)
    }
    guard isText else { return bytes += text.utf8 }
    bytes += (format == .csv ? Self.csv(text) : JSONText.quoted(text)).utf8
  }

  /// RFC 4180: quoted where it must be; an empty text is told from null by its quotes.
  private static func csv(_ text: String) -> String {
    let special = text.utf8.contains { [0x22, 0x2C, 0x0A, 0x0D].contains($0) }
    guard special || text.isEmpty else { return text }
    return "\"" + text.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
  }
}
