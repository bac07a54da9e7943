/// What the columns of a table ask of the values that come to it: that they are declared, within their
/// bounds, and there where they are required.
struct ColumnDoor {
  private let schema: TableSchema
  private let required: [ColumnSchema]
  /// By column of the schema.
  private let ids: [ColumnID]
  private let isBounded: [Bool]
  private let symbols: SymbolTable

  init(_ schema: TableSchema, _ symbols: SymbolTable) {
    self.schema = schema
    self.symbols = symbols
    required = schema.columns.filter(\.isRequired)
    ids = schema.columns.map(\.id)
    isBounded = schema.columns.map {
      $0.minimum != nil || $0.maximum != nil || $0.type == .bool || $0.type == .text
    }
  }

  /// Looks at run `index` of `batch`. O(cells), and the values of bounded and required columns.
  /// - Throws: `.invalid`, its reason naming frame, table, column and row, not the value:
  ///   `[3].weather.temperature[7] …`.
  func check(_ index: Int, of batch: FrameBatch, frame: Int) throws(StorageError) {
    let (cells, count) = (batch.runs[index].cells, batch.runs[index].count)
    var before = 0
    for at in cells {
      let cell = batch.cells[at]
      // Columns mostly come in the order of the schema.
      let isNext = before < ids.count && ids[before] == cell.column
      guard let known = isNext ? before : ids.firstIndex(of: cell.column) else {
        throw StorageError(.invalid, "[\(frame)].\(schema.name) has no column of id \(cell.column)")
      }
      // Behind those before it, it cannot be one of them.
      if known < before, (cells.lowerBound..<at).contains(where: { batch.cells[$0].column == cell.column }) {
        throw StorageError(.invalid, "\(path(frame, schema.columns[known])) is there twice")
      }
      before = max(before, known + 1)
      if isBounded[known] { try checkValues(cell, of: batch, count, schema.columns[known], frame) }
    }
    for column in required { try checkPresence(column, of: batch, cells, count, frame) }
  }

  private func path(_ frame: Int, _ column: ColumnSchema) -> String {
    "[\(frame)].\(schema.name).\(column.name)"
  }

  private func checkValues(
    _ cell: FrameBatch.Cell, of batch: FrameBatch, _ count: Int, _ column: ColumnSchema, _ frame: Int
  ) throws(StorageError) {
    func check(_ slot: Int64, _ row: Int) throws(StorageError) {
      if column.type == .bool, slot != 0, slot != 1 {
        throw StorageError(.invalid, "\(path(frame, column))[\(row)] is neither true nor false")
      }
      if column.type == .text {
        guard let text = symbols.text(of: slot) else {
          throw StorageError(.invalid, "\(path(frame, column))[\(row)] is a text that nobody holds")
        }
        guard text.utf8.count <= ColumnSchema.textByteLimit else {
          throw StorageError(.invalid, "\(path(frame, column))[\(row)] is longer than 64 KiB")
        }
        guard !column.isJSON || JSONCheck.isJSON(text.utf8) else {
          throw StorageError(.invalid, "\(path(frame, column))[\(row)] is no JSON")
        }
      }
      if !column.accepts(slot) {
        throw StorageError(
          .invalid, "\(path(frame, column))[\(row)] is out of range: \(column.boundsText)")
      }
    }
    switch cell.content {
    case .constant(let slot): try check(slot, 0)
    case .values(let start):
      for row in 0..<count { try check(batch.values[start + row], row) }
    case .nullable(let start, let validityStart):
      for row in 0..<count where batch.validity[validityStart + row] {
        try check(batch.values[start + row], row)
      }
    }
  }

  private func checkPresence(
    _ column: ColumnSchema, of batch: FrameBatch, _ cells: Range<Int>, _ count: Int, _ frame: Int
  ) throws(StorageError) {
    guard let cell = cells.first(where: { batch.cells[$0].column == column.id }) else {
      throw StorageError(.invalid, "\(path(frame, column)) is required")
    }
    guard case .nullable(_, let start) = batch.cells[cell].content,
      let row = batch.validity[start..<(start + count)].firstIndex(of: false)
    else { return }
    throw StorageError(.invalid, "\(path(frame, column))[\(row - start)] is required")
  }
}
