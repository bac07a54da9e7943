import Query

/// Columns under each other. Widths come from the first rows; then rows are printed as they come,
/// so an answer of any size takes bounded memory. A later, wider cell pushes its row out rather
/// than being cut, except on a terminal that is too narrow.
struct TableWriter: RowWriter {
  /// Rows that are looked at before the first one is printed.
  static let sampleRowCount = 512
  /// No column is cut below this many cells.
  static let leastWidth = 8

  private let sink: any ByteSink
  private let style: OutputStyle
  private var columns: [ResultColumn] = []
  private var widths: [Int] = []
  /// The most digits a second's fraction has in a timestamp column, so that they line up.
  private var fractionDigits: [Int] = []
  private var sample: [[String?]] = []
  private var isStreaming = false
  private var out: [UInt8] = []

  init(sink: any ByteSink, style: OutputStyle) {
    self.sink = sink
    self.style = style
  }

  mutating func begin(_ columns: [ResultColumn]) throws(OutputError) {
    self.columns = columns
    widths = columns.map { max(1, DisplayWidth.of(VisibleText.of($0.name))) }
    fractionDigits = columns.map { _ in 0 }
  }

  mutating func write(_ rows: any ResultRows) throws(OutputError) {
    for row in 0..<rows.rowCount {
      let cells = columns.indices.map { column in
        rows.text(row: row, column: column).map(VisibleText.of)
      }
      if isStreaming {
        try put(cells)
      } else {
        sample.append(cells)
        if sample.count == Self.sampleRowCount { try startStreaming() }
      }
    }
  }

  mutating func end() throws(OutputError) {
    if !isStreaming { try startStreaming() }
    try sink.write(&out)
    try sink.flush()
  }

  private mutating func startStreaming() throws(OutputError) {
    measure()
    fit()
    try putHeader()
    for cells in sample { try put(cells) }
    sample = []
    isStreaming = true
  }

  private mutating func measure() {
    for column in columns.indices {
      if columns[column].kind == .timestamp {
        fractionDigits[column] = sample.reduce(0) { max($0, Fraction.digits(in: $1[column] ?? "")) }
      }
      for cells in sample {
        let cell = cells[column].map { aligned($0, column) } ?? style.null
        widths[column] = max(widths[column], DisplayWidth.of(cell))
      }
    }
  }

  /// Takes cells from the widest texts until the table fits the terminal, or nothing is left to take.
  private mutating func fit() {
    guard let limit = style.width else { return }
    var excess = widths.reduce(0, +) + 3 * columns.count - 1 - limit
    while excess > 0 {
      let candidates = columns.indices.filter { columns[$0].kind == .text && widths[$0] > Self.leastWidth }
      guard let widest = candidates.max(by: { widths[$0] < widths[$1] }) else { return }
      widths[widest] -= 1
      excess -= 1
    }
  }

  private mutating func putHeader() throws(OutputError) {
    guard !columns.isEmpty else { return }
    let names = columns.map { VisibleText.of($0.name) }
    try putLine(names.indices.map { pad(names[$0], $0, isRight: columns[$0].kind == .number, paint: ANSI.bold) })
    let (line, cross) = style.colour ? ("─", "─┼─") : ("-", "-+-")
    let rule = widths.map { String(repeating: line, count: $0) }.joined(separator: cross)
    out.append(contentsOf: "\(line)\(rule)\(line)\n".utf8)
  }

  private mutating func put(_ cells: [String?]) throws(OutputError) {
    try putLine(
      cells.indices.map { column in
        let isRight = columns[column].kind == .number
        guard let cell = cells[column] else {
          return pad(style.null, column, isRight: isRight, paint: ANSI.dim)
        }
        return pad(aligned(cell, column), column, isRight: isRight, paint: nil)
      })
  }

  private mutating func putLine(_ cells: [String]) throws(OutputError) {
    var line = " " + cells.joined(separator: style.colour ? " │ " : " | ")
    while line.last == " " { line.removeLast() }
    out.append(contentsOf: line.utf8)
    out.append(UInt8(ascii: "\n"))
    if out.count >= outputBufferByteCount { try sink.write(&out) }
  }

  private func aligned(_ cell: String, _ column: Int) -> String {
    fractionDigits[column] > 0 ? Fraction.padded(cell, to: fractionDigits[column]) : cell
  }

  private func pad(_ text: String, _ column: Int, isRight: Bool, paint: String?) -> String {
    let isCut = style.width != nil && columns[column].kind == .text
    let shown = isCut ? DisplayWidth.truncate(text, to: widths[column]) : text
    let space = String(repeating: " ", count: max(0, widths[column] - DisplayWidth.of(shown)))
    let painted = style.colour && paint != nil ? paint! + shown + ANSI.reset : shown
    return isRight ? space + painted : painted + space
  }
}

/// The fraction of a second in an RFC 3339 text.
private enum Fraction {
  static func digits(in text: String) -> Int {
    guard let dot = text.utf8.firstIndex(of: UInt8(ascii: ".")) else { return 0 }
    return text.utf8[text.utf8.index(after: dot)...].prefix { $0 >= 0x30 && $0 <= 0x39 }.count
  }

  static func padded(_ text: String, to wanted: Int) -> String {
    let have = digits(in: text)
    guard have < wanted, let time = text.utf8.firstIndex(of: UInt8(ascii: "T")) else { return text }
    let zone =
      text.utf8[time...].firstIndex {
        $0 == UInt8(ascii: "Z") || $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "-")
      } ?? text.utf8.endIndex
    let zeros = (have == 0 ? "." : "") + String(repeating: "0", count: wanted - have)
    return String(text[..<zone]) + zeros + String(text[zone...])
  }
}
