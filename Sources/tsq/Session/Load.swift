import Ingest
import Glibc
import Query
import Synchronization
import TSEngine

/// Files on their way into a store, past its tail: rows by series straight into data segments.
struct Load {
  /// Values after which a batch is handed over.
  private static let batchValueCount = 1 << 20

  var table: String
  /// nil is the table's default.
  var spanNanos: Int64?
  var rejectsPath: String?
  var files: [(path: String, format: ImportFormat)] = []

  init(table: String, spanNanos: Int64?, rejectsPath: String?) {
    self.table = table
    self.spanNanos = spanNanos
    self.rejectsPath = rejectsPath
  }

  static func format(named name: String?, of path: String) throws -> ImportFormat {
    let bare = path.hasSuffix(".gz") ? String(path.dropLast(3)) : path
    let ending = bare.lastIndex(of: ".").map { String(bare[bare.index(after: $0)...]) } ?? ""
    switch name ?? ending {
    case "csv", "": return .csv
    case "ndjson", "jsonl": return .ndjson
    case "lp", "parquet": throw CommandError.notYet("importing \(name ?? ending)", instead: "use csv or ndjson")
    case let other:
      guard name == nil else { throw CommandError.usage("\(other) is no format; there are csv and ndjson") }
      return .csv
    }
  }

  func run(into directory: String) throws {
    Interrupts.shared.install()
    let isStopped = StopFlag()
    let rejects = try rejectsPath.map { try RejectFile(path: $0) }
    let (_, wasInterrupted) = try Interrupts.shared.during(stop: { isStopped.raise() }) {
      try StoreAccess.writing(directory, creating: true) { store in
        guard let schema = store.snapshot().table(named: table) else {
          let known = store.snapshot().tables.map(\.name).joined(separator: ", ")
          throw CommandError.failed("there is no table \"\(table)\" in \(directory); it has \(known)")
        }
        try load(into: store, schema, rejects, isStopped)
      }
    }
    if wasInterrupted { throw CommandError.interrupted }
  }

  private func load(
    into store: Store, _ schema: TableSchema, _ rejects: RejectFile?, _ isStopped: StopFlag
  ) throws {
    let progress = Progress()
    var rejected = 0
    var writer = try store.bulkWriter(schema.id, creator: StoreAccess.actor)
    let span = spanNanos ?? schema.defaultSpanNanos
    var (rowCount, byteCount) = (0, 0)
    for (path, format) in files {
      var batch = FrameBatch(table: schema.id)
      var rowsHere = 0
      do {
        var importer = RowImporter(try ByteSource(path: path), table: schema, symbols: store.symbols)
        try importer.run(format) { (chunk: ImportChunk) throws(ImportError) in
          if isStopped.isRaised { throw .refused("interrupted") }
          chunk.append(to: &batch, spanNanos: span)
          rowsHere += chunk.times.count
          progress.show {
            "\(path): \(Figures.grouped(rowCount + rowsHere)) rows, "
              + "\(Figures.short(Double(rowCount + rowsHere) / max(progress.elapsedSeconds, 0.001))) rows/s"
          }
          guard batch.values.count >= Self.batchValueCount else { return }
          do throws(StorageError) {
            try writer.append(batch)
          } catch {
            throw .refused(CommandError(error, store: store.directory).sentence)
          }
          batch.removeAll()
        } reject: { line in
          rejected += 1
          progress.clear()
          rejects?.add(line, of: path)
          if rejects == nil, rejected <= 5 { Terminal.note("\(path):\(line.number): \(line.reason)") }
          if rejects == nil, rejected == 6 { Terminal.note("… more lines are rejected; --rejects FILE keeps them all") }
        }
        try writer.append(batch)
        byteCount += importer.byteCount
        rowCount += importer.rowCount
      } catch let error as ImportError {
        progress.clear()
        if isStopped.isRaised {
          Terminal.note("stopped; nothing of the part in memory was stored, run the same import again")
          return
        }
        throw Self.explained(error, path)
      }
    }
    progress.show { "writing \(Figures.grouped(rowCount)) rows" }
    let result = try writer.commit()
    progress.clear()
    try rejects?.finish()
    try report(result, rejected: rejected, rows: rowCount, bytes: byteCount, seconds: progress.elapsedSeconds)
  }

  private func report(
    _ result: AppendResult, rejected: Int, rows: Int, bytes: Int, seconds: Double
  ) throws {
    let counts = [
      ("new", result.new), ("same", result.same), ("conflict", result.conflict),
      ("quarantined", result.quarantined), ("expired", result.expired), ("rejected", rejected),
    ]
    try FileSink(descriptor: STDOUT_FILENO).writeThrough(counts.map { "\($0.0)=\($0.1)" }.joined(separator: " "))
    Terminal.note(
      "\(Figures.grouped(rows)) rows, \(Figures.bytes(bytes)) in \(Figures.duration(nanos: Int64(seconds * 1e9)))"
        + " (\(Figures.short(Double(rows) / max(seconds, 1e-6))) rows/s)")
    if rows == 0, rejected > 0 { throw CommandError.failed("no line fits the table \(table)") }
  }

  private static func explained(_ error: ImportError, _ path: String) -> CommandError {
    switch error {
    case .source(let reason): .failed("\(path) \(reason)")
    case .header(let reason): .failed("\(path): \(reason)")
    case .refused(let sentence): .failed(sentence)
    }
  }
}

/// Raised by Ctrl-C, looked at by whoever works.
final class StopFlag: Sendable {
  private let raised = Atomic(false)
  func raise() { raised.store(true, ordering: .relaxed) }
  func lower() { raised.store(false, ordering: .relaxed) }
  var isRaised: Bool { raised.load(ordering: .relaxed) }
}

/// Lines that were not taken, as CSV: file, line, reason, text.
private final class RejectFile {
  private let file: OutputFile
  private var writer: DelimitedWriter

  init(path: String) throws {
    file = try OutputFile(path: path)
    writer = DelimitedWriter(sink: file.sink, dialect: .csv)
    try writer.begin(
      [("file", ResultColumn.Kind.text), ("line", .number), ("reason", .text), ("text", .text)].map {
        ResultColumn(name: $0.0, kind: $0.1)
      })
  }

  func add(_ line: RejectedLine, of path: String) {
    // What cannot be written shows when the file is finished.
    try? writer.write(TextRows(cells: [[path, "\(line.number)", line.reason, line.text]]))
  }

  func finish() throws {
    try writer.end()
    try file.commit()
  }
}
