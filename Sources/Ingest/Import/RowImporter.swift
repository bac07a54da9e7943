import TSEngine

/// A line that was not taken.
package struct RejectedLine: Equatable, Sendable {
  /// 1 for the first line of the file.
  package var number: Int
  package var reason: String
  /// The line itself, at most 4 KiB of it.
  package var text: String
}

package enum ImportFormat: Sendable { case csv, ndjson }

/// Reads CSV (RFC 4180 without line breaks inside quotes; a header says what is what) or NDJSON
/// (an object a line, keys as in such a header) into chunks by series, in bounded memory.
/// Lines that do not fit are rejected one by one; empty lines are passed over.
package struct RowImporter {
  package private(set) var rowCount = 0
  package private(set) var rejectedCount = 0

  /// Bytes read so far, uncompressed; for showing progress.
  package var byteCount: Int { lines.byteCount }

  let table: TableSchema
  let fields: FieldReader
  let keys: ImportKeys
  /// Positions in `values` that every row must have, with the names of their columns.
  private var required: [(bit: UInt64, name: String)]
  var lines: LineReader
  var buffers: SeriesBuffers
  var values: [Int64]
  /// The device of the line before, which most lines share.
  var lastDevice: [UInt8] = []
  var lastDeviceNumber = 0

  /// The row at hand.
  struct Row {
    var time: Int64?
    var device: Int?
    var probe: Int32 = 1
    /// Bit i: `values[i]` is this row's.
    var mask: UInt64 = 0

    func complete() throws(Fault) -> CompleteRow {
      guard let time else { throw Fault(.missing, "no time") }
      guard let device else { throw Fault(.missing, "no sensor") }
      return CompleteRow(time: time, device: device, probe: probe, mask: mask)
    }
  }
  struct CompleteRow {
    var time: Int64
    var device: Int
    var probe: Int32
    var mask: UInt64
  }

  /// Codes of symbols come from `symbols`, the store's.
  package init(_ source: ByteSource, table: TableSchema, symbols: SymbolTable) {
    self.table = table
    fields = FieldReader(texts: ImportTexts(symbols: symbols))
    required = []
    keys = ImportKeys(table)
    lines = LineReader(source)
    buffers = SeriesBuffers(columns: Array(table.columns.prefix(64).map(\.id)))
    values = []
  }

  /// Reads to the end. `deliver` may throw `.refused` to stop.
  package mutating func run(
    _ format: ImportFormat, deliver: (ImportChunk) throws(ImportError) -> Void,
    reject: (RejectedLine) -> Void
  ) throws(ImportError) {
    var columns: ImportColumns?
    switch format {
    case .csv:
      guard let header = try lines.nextLine() else { throw .header("the file is empty") }
      let names = try Self.header(lines.buffer[header])
      let found = try ImportColumns(names, table)
      buffers = SeriesBuffers(columns: found.values.map(\.id))
      values = Array(repeating: 0, count: found.values.count)
      columns = found
    case .ndjson:
      values = Array(repeating: 0, count: min(table.columns.count, 64))
    }
    for column in table.columns where column.isRequired {
      let given = columns?.values ?? Array(table.columns.prefix(64))
      guard let index = given.firstIndex(where: { $0.id == column.id }) else {
        throw .header("the column \"\(column.name)\" is required and not in the file")
      }
      required.append((1 << UInt64(index), column.name))
    }
    while let line = try lines.nextLine() {
      if line.isEmpty { continue }
      let row: CompleteRow
      do throws(Fault) {
        if let columns {
          row = try csvRow(line, columns).complete()
        } else {
          row = try jsonRow(line).complete()
        }
        for (bit, name) in required where row.mask & bit == 0 {
          throw Fault(.missing, "\(name): a value is required")
        }
      } catch {
        rejectedCount += 1
        reject(
          RejectedLine(
            number: lines.lineNumber, reason: error.reason,
            text: String(decoding: lines.buffer[line].prefix(4_096), as: UTF8.self)))
        continue
      }
      try buffers.append(
        device: row.device, probe: row.probe, time: row.time, values: values, mask: row.mask,
        texts: fields.texts, deliver)
      rowCount += 1
    }
    try buffers.flushAll(deliver)
  }

  /// Names of the header, without quotes, spaces around them or a byte order mark.
  private static func header(_ line: ArraySlice<UInt8>) throws(ImportError) -> [String] {
    let bytes = line.starts(with: [0xEF, 0xBB, 0xBF]) ? line.dropFirst(3) : line
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw .header("the header is not UTF-8")
    }
    return text.split(separator: ",", omittingEmptySubsequences: false).map { field in
      var name = field.drop { $0 == " " }
      while name.last == " " { name.removeLast() }
      if name.count >= 2, name.first == "\"", name.last == "\"" {
        name = name.dropFirst().dropLast()
      }
      return String(name)
    }
  }

  /// The number of the device spelt by `id`.
  mutating func device(_ id: ArraySlice<UInt8>) throws(Fault) -> Int {
    if id.elementsEqual(lastDevice) { return lastDeviceNumber }
    guard FieldReader.isDeviceID(id) else {
      throw Fault(.form, "a sensor id of 1 to 128 letters, digits, '.', '_' or '-' expected")
    }
    lastDevice = Array(id)
    lastDeviceNumber = buffers.number(ofDevice: String(decoding: id, as: UTF8.self))
    return lastDeviceNumber
  }
}
