/// What a batch must keep before the writer looks at it further.
enum AppendCheck {
  /// - Throws: `.invalid` naming what is wrong.
  static func check(
    _ request: CommitRequest.AppendRequest, registry: Registry, symbols: SymbolTable
  ) throws(StorageError) {
    let batch = request.batch
    guard registry.types.isLive(batch.table), let schema = registry.schema(batch.table) else {
      throw StorageError(.invalid, "unknown table")
    }
    let door = ColumnDoor(schema, symbols)
    for (index, frame) in batch.frames.enumerated() {
      guard DeviceID.isValid(frame.device) else {
        throw StorageError(.invalid, "a device id is 1 to 128 of A-Z a-z 0-9 . _ -")
      }
      if request.creator == nil, !registry.devices.contains(frame.device) {
        throw StorageError(.invalid, "unknown device")
      }
      for run in frame.runs {
        try checkTimes(of: batch, run)
        try door.check(run, of: batch, frame: index)
      }
    }
  }

  /// What holds of a batch by itself: enough to ask questions about its instants.
  /// - Throws: `.invalid`.
  static func checkTimes(of batch: FrameBatch) throws(StorageError) {
    for index in batch.runs.indices { try checkTimes(of: batch, index) }
  }

  private static func checkTimes(of batch: FrameBatch, _ run: Int) throws(StorageError) {
    guard batch.runs[run].count <= FrameRecord.maxRows else {
      throw StorageError(.invalid, "too many rows in one run")
    }
    if case .explicit(let instants) = batch.runs[run].times {
      guard !instants.isEmpty, zip(instants, instants.dropFirst()).allSatisfy({ $0 < $1 }) else {
        throw StorageError(.invalid, "instants of a run must rise")
      }
    }
  }

  /// An upper bound of the bytes that a request takes in the log, devices it makes included.
  static func byteBound(
    _ request: CommitRequest.AppendRequest, _ symbols: SymbolTable, _ registry: Registry
  ) -> Int {
    let batch = request.batch
    let texts = (registry.schema(batch.table)?.columns ?? [])
      .filter { $0.type == .symbol || $0.type == .text }.map(\.id)
    var bound =
      batch.values.count * 8 + batch.validity.count / 8 + batch.cells.count * 16
      + batch.frames.count * 1024
    for message in request.messages { bound += message.byteBound }
    for index in batch.runs.indices {
      // Instants one by one take 8 bytes each; regular ones less than the 48 of a run.
      bound += 48 + batch.runs[index].count * 8
      for cell in batch.runs[index].cells where texts.contains(batch.cells[cell].column) {
        bound += textBound(batch.cells[cell], batch.runs[index].count, batch, symbols)
      }
    }
    return bound
  }

  /// As above, closer: with what the columns take packed, and devices that are there already told apart. O(values).
  static func closeByteBound(
    _ request: CommitRequest.AppendRequest, _ symbols: SymbolTable, _ registry: Registry
  ) -> Int {
    let batch = request.batch
    var saved = 0
    for index in batch.runs.indices {
      let run = batch.runs[index]
      if case .regular = run.times { saved += run.count * 8 }
      for cell in batch.cells[run.cells] {
        guard case .values(let start) = cell.content else { continue }
        let values = batch.values.span.extracting(start..<(start + run.count))
        saved += values.count * (8 - FieldCursor.packedWidth(values))
      }
    }
    let names = (registry.schema(batch.table)?.name.utf8.count ?? 0) + (request.creator?.id.utf8.count ?? 0)
    for frame in batch.frames {
      let made = registry.devices.contains(frame.device) ? 0 : 128 + names + frame.device.utf8.count
      saved += 1024 - (32 + frame.device.utf8.count + made)
    }
    return byteBound(request, symbols, registry) - saved
  }

  private static func textBound(
    _ cell: FrameBatch.Cell, _ count: Int, _ batch: FrameBatch, _ symbols: SymbolTable
  ) -> Int {
    let codes: Set<Int64>
    switch cell.content {
    case .constant(let code): codes = [code]
    case .values(let start), .nullable(let start, _):
      codes = Set(batch.values[start..<(start + count)])
    }
    return codes.reduce(0) { $0 + (symbols.text(of: $1)?.utf8.count ?? 0) + 10 }
  }
}
