import TSEngine

/// Texts of the rows that an importer has in hand. They go with the rows: a column of type text may
/// say something else in every line of a file that does not fit in memory.
final class ImportTexts {
  /// Texts after which later ones are held apart, so that the earlier ones can go.
  private static let holdTextCount = 4_096

  private let symbols: SymbolTable
  private(set) var holds: [TextHold] = []
  private var codes: [ColumnID: [TextKey: Int64]] = [:]
  private var count = 0

  init(symbols: SymbolTable) { self.symbols = symbols }

  /// Good as long as the `holds` of the moment.
  func code(of text: String, _ column: ColumnSchema) -> Int64 {
    if column.type != .text { return symbols.code(of: text) }
    let key = TextKey(text)
    if let code = codes[column.id]?[key] { return code }
    if count == Self.holdTextCount { (holds, codes, count) = ([], [:], 0) }
    let hold = holds.first { $0.column == column.id } ?? TextHold(of: column.id, in: symbols)
    holds.keep([hold])
    count += 1
    let code = hold.add(text)
    codes[column.id, default: [:]][key] = code
    return code
  }
}
