/// Frames on their way into the store: what devices reported, as columns.
///
/// One `FrameBatch` is all-or-nothing. A *frame* is what one device reported in one message and
/// gets one LSN; it holds *runs*, each a stretch of one series (a probe); each run holds a value
/// or a slice of values per column. Everything lies in a few flat arrays, so a batch of a hundred
/// meters costs no allocation per frame.
public struct FrameBatch: Sendable {
  public struct Frame: Sendable {
    public var device: String
    /// Indices into `runs`.
    public var runs: Range<Int>
  }

  public struct Run: Sendable {
    public let probe: Int32
    public let times: SampleTimes
    /// Of `times`, ready for loops over many runs: a look into `times` may copy a reference.
    public let count: Int
    /// First and last instant.
    public let first: Int64
    public let last: Int64
    /// Indices into `cells`.
    public fileprivate(set) var cells: Range<Int>

    fileprivate init(probe: Int32, times: SampleTimes, cells: Range<Int>) {
      (self.probe, self.times, self.cells) = (probe, times, cells)
      switch times {
      case .regular(let regular): (count, first, last) = (regular.count, regular.start, regular.last)
      case .explicit(let instants):
        (count, first, last) = (instants.count, instants.first ?? 0, instants.last ?? 0)
      }
    }
  }

  /// One column of one run. A column of the table without a cell is null throughout.
  public struct Cell: Sendable {
    public enum Content: Sendable {
      /// The same value in every row.
      case constant(Int64)
      /// `count` values from `values[start]` on.
      case values(start: Int)
      /// As `values`, with `validity[validityStart + i]` false where row i is null.
      case nullable(start: Int, validityStart: Int)
    }
    public var column: ColumnID
    public var content: Content
  }

  public let table: TableID
  public private(set) var frames: [Frame] = []
  public private(set) var runs: [Run] = []
  public private(set) var cells: [Cell] = []
  /// Slots as `ColumnType` describes; symbols are codes of the store's `SymbolTable`.
  public private(set) var values: [Int64] = []
  public private(set) var validity: [Bool] = []
  /// Of the columns of texts that have codes of this batch.
  package var texts: [TextHold] = []
  private var textCodes: [ColumnID: [TextKey: Int64]] = [:]

  public init(table: TableID) { self.table = table }

  public var isEmpty: Bool { frames.isEmpty }
  /// Rows over all runs. O(runs).
  public var rowCount: Int {
    var count = 0
    for index in runs.indices { count += runs[index].count }
    return count
  }

  /// Rows of one frame. O(its runs).
  package func rowCount(ofFrame frame: Int) -> Int {
    var count = 0
    for index in frames[frame].runs { count += runs[index].count }
    return count
  }

  public mutating func removeAll(keepingCapacity keep: Bool = true) {
    frames.removeAll(keepingCapacity: keep)
    runs.removeAll(keepingCapacity: keep)
    cells.removeAll(keepingCapacity: keep)
    values.removeAll(keepingCapacity: keep)
    validity.removeAll(keepingCapacity: keep)
    texts.removeAll()
    textCodes.removeAll()
  }

  /// How far a batch was filled; what came after can be taken back.
  public struct Mark: Sendable {
    fileprivate var frames, runs, cells, values, validity: Int
  }

  public var mark: Mark {
    Mark(
      frames: frames.count, runs: runs.count, cells: cells.count, values: values.count,
      validity: validity.count)
  }

  /// Takes back everything added since `mark` was taken, as when the rest of a request is bad.
  public mutating func rollBack(to mark: Mark) {
    frames.removeLast(frames.count - mark.frames)
    runs.removeLast(runs.count - mark.runs)
    cells.removeLast(cells.count - mark.cells)
    values.removeLast(values.count - mark.values)
    validity.removeLast(validity.count - mark.validity)
  }

  /// The code of `text` in `column`, which is of type text. It is good for this batch alone, and lives
  /// as long as the batch and what becomes of its rows in memory. O(length).
  public mutating func code(
    of text: String, column: ColumnID, in symbols: SymbolTable
  ) -> Int64 {
    let key = TextKey(text)
    if let code = textCodes[column]?[key] { return code }
    let hold: TextHold
    if let known = texts.first(where: { $0.column == column }) {
      hold = known
    } else {
      hold = TextHold(of: column, in: symbols)
      texts.append(hold)
    }
    let code = hold.add(text)
    textCodes[column, default: [:]][key] = code
    return code
  }

  /// Starts a frame of `device`; the runs and cells that follow belong to it.
  public mutating func beginFrame(device: String) {
    frames.append(Frame(device: device, runs: runs.count..<runs.count))
  }

  /// Starts a run of the current frame. Precondition: a frame was begun.
  public mutating func beginRun(probe: Int32, times: SampleTimes) {
    precondition(!frames.isEmpty, "a run needs a frame")
    runs.append(Run(probe: probe, times: times, cells: cells.count..<cells.count))
    frames[frames.count - 1].runs = frames[frames.count - 1].runs.lowerBound..<runs.count
  }

  public mutating func add(_ column: ColumnID, constant: Int64) {
    add(Cell(column: column, content: .constant(constant)))
  }

  /// Precondition: as many values as the current run has samples.
  public mutating func add(_ column: ColumnID, _ slots: some Collection<Int64>) {
    let start = values.count
    values.append(contentsOf: slots)
    add(column, from: start)
  }

  /// Precondition: as many values as the current run has samples.
  public mutating func add(_ column: ColumnID, _ slots: Span<Int64>) {
    let start = values.count
    values.append(addingCapacity: slots.count) { room in
      for index in slots.indices { room.append(slots[index]) }
    }
    add(column, from: start)
  }

  /// Values that come in half the width, as devices and files have them.
  /// Precondition: as many values as the current run has samples.
  public mutating func add(_ column: ColumnID, _ slots: Span<Int32>) {
    let start = values.count
    values.append(addingCapacity: slots.count) { room in
      unsafe room.withUnsafeMutableBufferPointer { buffer, filled in
        guard let target = buffer.baseAddress else { return }
        for index in slots.indices {
          // SAFETY: room for so many values was asked for; the index is the span's own.
          unsafe target[filled &+ index] = Int64(slots[unchecked: index])
        }
        filled += slots.count
      }
    }
    add(column, from: start)
  }

  /// Precondition: as many values as the current run has samples.
  mutating func add(_ column: ColumnID, _ packed: PackedIntegers) {
    let start = values.count
    values.append(addingCapacity: packed.count) { packed.append(to: &$0) }
    add(column, from: start)
  }

  private mutating func add(_ column: ColumnID, from start: Int) {
    precondition(values.count - start == runs[runs.count - 1].count, "a value per sample")
    add(Cell(column: column, content: .values(start: start)))
  }

  /// Precondition: as many values and flags as the current run has samples.
  public mutating func add(
    _ column: ColumnID, _ slots: some Collection<Int64>, valid: some Collection<Bool>
  ) {
    let (start, validityStart) = (values.count, validity.count)
    values.append(contentsOf: slots)
    validity.append(contentsOf: valid)
    let count = runs[runs.count - 1].count
    precondition(
      values.count - start == count && validity.count - validityStart == count,
      "a value and a flag per sample")
    add(Cell(column: column, content: .nullable(start: start, validityStart: validityStart)))
  }

  /// Gives the constants of `column` other values. O(cells).
  package mutating func mapConstants(of column: ColumnID, _ transform: (Int64) -> Int64) {
    for index in cells.indices where cells[index].column == column {
      guard case .constant(let value) = cells[index].content else { continue }
      cells[index].content = .constant(transform(value))
    }
  }

  /// Whether the current run has a cell of `column`. O(its cells).
  package func hasCell(of column: ColumnID) -> Bool {
    guard let run = runs.last else { return false }
    // No slice: one that lives until the next cell is added would have all of them copied.
    for index in run.cells where cells[index].column == column { return true }
    return false
  }

  private mutating func add(_ cell: Cell) {
    precondition(!runs.isEmpty, "a cell needs a run")
    cells.append(cell)
    runs[runs.count - 1].cells = runs[runs.count - 1].cells.lowerBound..<cells.count
  }
}

/// What became of the readings of one append. A reading is one row: (device, probe, ts).
public struct AppendResult: Sendable, Equatable {
  /// Rows the store did not have.
  public var new = 0
  /// Rows it had with equal values; durable already.
  public var same = 0
  /// Rows it had with other values; both stay, the table's policy tells which one is read.
  public var conflict = 0
  /// Rows held back for an absurd time.
  public var quarantined = 0
  /// Rows below the retention floor.
  public var expired = 0
  /// The last LSN this append took, or the newest durable one when nothing was written.
  public var lsn: LSN = 0

  public init() {}
}
