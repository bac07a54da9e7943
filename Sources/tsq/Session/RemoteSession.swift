import Query
import TSEngine

/// A server that is asked over HTTP. Forms for programs are passed on as the server made them; for
/// people, answers come as NDJSON and are printed as they come, and what a column holds is told by
/// its first values.
final class RemoteSession: SQLSession {
  private let url: ServerURL
  private let connection: HTTPConnection
  private let stopped = StopFlag()

  init(_ url: ServerURL) {
    self.url = url
    connection = HTTPConnection(url)
  }

  var place: String { url.text }

  /// The connection ends, and with it the server's query.
  var canceller: @Sendable () -> Void { { [stopped, connection] in
    stopped.raise()
    connection.cancel()
  } }

  func run(
    _ sql: String, parameters: [String: String], into writer: inout any RowWriter
  ) throws -> QuerySummary {
    let began = System.monotonicNanos()
    let rows = RemoteRows(writer)
    var pending: [UInt8] = []
    try ask(sql, parameters, .ndjson) { piece in
      pending.append(contentsOf: piece)
      while let end = pending.firstIndex(of: 0x0A) {
        try rows.add(Array(pending[..<end]))
        pending.removeSubrange(...end)
      }
    }
    if !pending.isEmpty { try rows.add(pending) }
    writer = try rows.finish()
    return QuerySummary(rowCount: rows.rowCount, nanos: System.monotonicNanos() - began)
  }

  func run(
    _ sql: String, parameters: [String: String], as format: ResultFormat, to sink: any ByteSink
  ) throws -> QuerySummary {
    let began = System.monotonicNanos()
    try ask(sql, parameters, format) { piece in
      var bytes = Array(piece)
      try sink.write(&bytes)
    }
    try sink.flush()
    return QuerySummary(rowCount: nil, nanos: System.monotonicNanos() - began)
  }

  /// Hands the pieces of a good answer to `take`.
  private func ask(
    _ sql: String, _ parameters: [String: String], _ format: ResultFormat,
    _ take: (ArraySlice<UInt8>) throws -> Void
  ) throws {
    stopped.lower()
    var failure: [UInt8] = []
    let response: HTTPConnection.Response
    do {
      let body = try Self.body(sql, parameters, format)
      response = try connection.request("POST", "/api/query", body: body) { head, piece in
        guard head.status == 200 else { return failure.append(contentsOf: piece) }
        try take(piece)
      }
    } catch where stopped.isRaised {
      throw SQLError(.queryCancelled, "the query was cancelled")
    }
    guard response.status == 200 else { throw RemoteFailure.error(failure, response.status, url, sql) }
  }

  func relations() throws -> [Relation] {
    let rows = try texts("SELECT \"table\", name, type, unit FROM columns")
    var relations: [Relation] = []
    for row in rows {
      let column = Relation.Column(name: row[1] ?? "", type: row[2] ?? "", unit: row[3])
      if relations.last?.name != row[0] {
        relations.append(Relation(name: row[0] ?? "", isSystem: false, columns: []))
      }
      relations[relations.count - 1].columns.append(column)
    }
    return relations
  }

  private static func body(
    _ sql: String, _ parameters: [String: String], _ format: ResultFormat
  ) throws -> [UInt8] {
    let values = try QueryParameters(parameters)
    func json(_ value: SQLValue) -> String {
      if case .text(let text) = value { return JSONText.quoted(text) }
      return value.text ?? "null"
    }
    var text = #"{"format":"\#(format.rawValue)","q":"# + JSONText.quoted(sql)
    if !values.named.isEmpty {
      guard values.positional.isEmpty else { throw CommandError.usage("a server takes $1 or :name, not both") }
      text += #","params":{"# + values.named.map { "\(JSONText.quoted($0)):\(json($1))" }.joined(separator: ",") + "}"
    } else if !values.positional.isEmpty {
      text += #","params":["# + values.positional.map(json).joined(separator: ",") + "]"
    }
    return Array((text + "}").utf8)
  }

  /// Rows on their way from lines to a writer.
  private final class RemoteRows {
    private var writer: any RowWriter
    private var columns: [ResultColumn] = []
    private var known: [Bool] = []
    private var sample: [[String?]] = []
    private var hasBegun = false
    private(set) var rowCount = 0

    init(_ writer: any RowWriter) { self.writer = writer }

    func add(_ line: [UInt8]) throws {
      guard let members = FlatJSON.object(line) else {
        throw CommandError(.unavailable, "the answer broke off after \(rowCount) rows; look at the server's log")
      }
      if columns.isEmpty {
        columns = members.map { ResultColumn(name: $0.key, kind: $0.kind) }
        known = members.map { $0.text != nil }
      }
      for (index, member) in members.enumerated() where !known[index] && member.text != nil {
        columns[index].kind = member.kind
        known[index] = true
      }
      rowCount += 1
      sample.append(members.map(\.text))
      if hasBegun || sample.count >= TableWriter.sampleRowCount { try release() }
    }

    func finish() throws -> any RowWriter {
      try release()
      try writer.end()
      return writer
    }

    private func release() throws {
      if !hasBegun { try writer.begin(columns) }
      hasBegun = true
      try writer.write(RemoteBatch(cells: TextRows(cells: sample), columns: columns))
      sample.removeAll(keepingCapacity: true)
    }
  }

  /// Texts whose timestamps are numbers for a chart.
  private struct RemoteBatch: ResultRows {
    let cells: TextRows
    let columns: [ResultColumn]
    var rowCount: Int { cells.rowCount }
    func isNull(row: Int, column: Int) -> Bool { cells.isNull(row: row, column: column) }
    func append(row: Int, column: Int, to text: inout [UInt8]) { cells.append(row: row, column: column, to: &text) }
    func number(row: Int, column: Int) -> Double? {
      guard columns[column].kind == .timestamp, let text = cells.cells[row][column] else {
        return cells.number(row: row, column: column)
      }
      return TimestampText.parse(text).map { Double($0) }
    }
  }
}

/// What a server says when it says no.
enum RemoteFailure {
  /// A located `SQLError` when the server names a place in `sql`, else a sentence.
  static func error(_ body: [UInt8], _ status: Int, _ url: ServerURL, _ sql: String = "") -> any Error {
    let members = Dictionary(
      (FlatJSON.object(body) ?? []).map { ($0.key, $0.text ?? "") }, uniquingKeysWith: { first, _ in first })
    let message = members["message"] ?? "\(url.text) answered \(status)"
    if let state = members["code"].flatMap({ $0.utf8.count == 5 ? SQLState($0) : nil }) {
      return SQLError(
        state, message, at: place(members["line"], members["column"], in: sql), hint: members["hint"])
    }
    switch status {
    case 401, 403: return CommandError.failed("\(message); give a token that may do so in TSQ_TOKEN")
    case 429, 502, 503, 504: return CommandError(.unavailable, "\(message); try again")
    default: return CommandError.failed(VisibleText.of(message))
    }
  }

  /// Whether what failed may go by itself: nobody answers, or whoever does has too much to do. A refusal and damage stay.
  static func isPassing(_ error: any Error) -> Bool {
    switch error {
    case let error as CommandError: error.status == .unavailable
    case let error as SQLError: ["53200", "53300"].contains("\(error.state)")
    default: false
    }
  }

  private static func place(_ line: String?, _ column: String?, in sql: String) -> SourceRange? {
    guard let line = line.flatMap({ Int($0) }), let column = column.flatMap({ Int($0) }), line >= 1, column >= 1 else {
      return nil
    }
    let lines = sql.split(separator: "\n", omittingEmptySubsequences: false)
    guard line <= lines.count else { return nil }
    let before = lines[..<(line - 1)].reduce(0) { $0 + $1.utf8.count + 1 }
    let scalars = lines[line - 1].unicodeScalars.prefix(column - 1)
    let start = UInt32(before + scalars.reduce(0) { $0 + UTF8.width($1) })
    return SourceRange(start, start + 1)
  }
}
