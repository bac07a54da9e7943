/// How the buffer of an `OpenRows` is laid out. Immutable, and shared by the series of a fleet that
/// look alike.
///
///     | (end, LSN) of each frame | instants, unless regular | slots of each column that varies | a byte a row of each that has nulls |
final class OpenShape: Sendable, Equatable {
  /// The step of a regular stretch, a reduced fraction of nanoseconds.
  struct Step: Equatable {
    var numerator: Int64
    var denominator: Int64

    init(_ times: RegularTimes) {
      numerator = times.stepNumerator
      denominator = times.stepDenominator
    }

    func tick(from start: Int64, _ index: Int) -> Int64 {
      if denominator == 1 { return start &+ Int64(index) &* numerator }
      return start &+ (Int64(index) &* numerator) / denominator
    }

    /// Whether a stretch that begins after `count` samples has the same instants.
    func isWhole(_ count: Int) -> Bool {
      denominator == 1 || (Int64(count) &* numerator) % denominator == 0
    }

    func run(from start: Int64, _ count: Int) -> RegularTimes? {
      RegularTimes(start: start, count: count, stepNumerator: numerator, stepDenominator: denominator)
    }
  }

  struct Column: Equatable {
    var id: ColumnID
    /// Value of every row; such a column takes no memory.
    var constant: Int64?
    var isNullable: Bool
    /// Where its slots begin, in bytes.
    var slots = 0
    /// Where its validity begins, one byte a row, in bytes.
    var validity: Int?
  }

  let rowCapacity: Int
  let runCapacity: Int
  /// Nil for irregular instants.
  let step: Step?
  let columns: [Column]
  /// Where the instants begin, in bytes.
  let times: Int
  let byteCount: Int

  private init(rowCapacity: Int, runCapacity: Int, step: Step?, columns: [Column]) {
    self.rowCapacity = rowCapacity
    self.runCapacity = runCapacity
    self.step = step
    times = runCapacity * 16
    var end = times + (step == nil ? rowCapacity * 8 : 0)
    var placed = columns
    for at in placed.indices where placed[at].constant == nil {
      placed[at].slots = end
      end += rowCapacity * 8
    }
    for at in placed.indices where placed[at].isNullable {
      placed[at].validity = end
      end += rowCapacity
    }
    self.columns = placed
    byteCount = end
  }

  /// For a chunk that begins with `run`.
  convenience init(for run: Int, of batch: FrameBatch, rowCapacity: Int) {
    var step: Step?
    if case .regular(let times) = batch.runs[run].times { step = Step(times) }
    let count = batch.runs[run].count
    self.init(
      rowCapacity: rowCapacity, runCapacity: rowCapacity / max(1, count) + 1, step: step,
      columns: batch.cells[batch.runs[run].cells].map { cell in
        switch cell.content {
        // Of a single row nobody knows whether it will stay so; and a shape of its own costs more.
        case .constant(let value):
          Column(id: cell.column, constant: count > 1 ? value : nil, isNullable: false)
        case .values: Column(id: cell.column, constant: nil, isNullable: false)
        case .nullable: Column(id: cell.column, constant: nil, isNullable: true)
        }
      })
  }

  /// A shape for `count` rows of this one and for `run` behind them.
  func widened(
    for run: Int, of batch: FrameBatch, count: Int, isRegular: Bool, rowCapacity: Int,
    runCapacity: Int
  ) -> OpenShape {
    var wider = columns
    for at in wider.indices {
      let cell = batch.cell(wider[at].id, ofRun: run, near: at)
      switch cell?.content {
      case .constant(let value): if wider[at].constant != value { wider[at].constant = nil }
      case .values: wider[at].constant = nil
      case .nullable, nil:
        wider[at].constant = nil
        wider[at].isNullable = true
      }
    }
    for cell in batch.cells[batch.runs[run].cells] where !columns.contains(where: { $0.id == cell.column }) {
      wider.append(Column(id: cell.column, constant: nil, isNullable: true))
    }
    return OpenShape(
      rowCapacity: rowCapacity, runCapacity: runCapacity, step: isRegular ? step : nil,
      columns: wider)
  }

  /// Whether the columns of `run` can be appended as they are.
  func takes(_ run: Int, of batch: FrameBatch) -> Bool {
    var known = 0
    for (at, column) in columns.enumerated() {
      guard let cell = batch.cell(column.id, ofRun: run, near: at) else {
        guard column.isNullable else { return false }
        continue
      }
      known += 1
      switch cell.content {
      case .constant(let value):
        if let constant = column.constant, constant != value { return false }
      case .values: if column.constant != nil { return false }
      case .nullable: if !column.isNullable { return false }
      }
    }
    return known == batch.runs[run].cells.count
  }

  static func == (a: OpenShape, b: OpenShape) -> Bool {
    a.rowCapacity == b.rowCapacity && a.runCapacity == b.runCapacity && a.step == b.step
      && a.columns == b.columns
  }

  /// The shapes met last, so that series which look alike share one.
  struct Recent: Sendable {
    private var shapes: [OpenShape] = []
    private var next = 0

    mutating func shared(_ shape: OpenShape) -> OpenShape {
      if let known = shapes.first(where: { $0 == shape }) { return known }
      if shapes.count < 16 {
        shapes.append(shape)
      } else {
        shapes[next] = shape
        next = (next + 1) % shapes.count
      }
      return shape
    }
  }
}
