/// Up to 2,048 values of one type: eight pages, so that a batch of every column of a query stays
/// in the first two cache levels. Operators and expressions own their vectors and reuse them;
/// whoever keeps values past the call that brought them copies them out.
@safe package final class Vector {
  package static let capacity = 2048
  static let maskWords = capacity / 64

  package let type: SQLType
  /// `capacity` slots; rows that are null hold any value.
  let slots: UnsafeMutablePointer<Int64>
  /// The second slot of `interval` and `wide`.
  let high: UnsafeMutablePointer<Int64>?
  /// `maskWords` words, bit r%64 of word r/64 is 1 where row r is not null. Holds only while `hasNulls`.
  let validity: UnsafeMutablePointer<UInt64>
  package var hasNulls = false
  /// All `capacity` rows hold the same value (or null).
  package var isConstant = false

  package init(_ type: SQLType) {
    self.type = type
    // SAFETY: three fresh allocations, initialised whole, freed in deinit and never handed out for keeping.
    unsafe slots = .allocate(capacity: Self.capacity)
    unsafe slots.initialize(repeating: 0, count: Self.capacity)
    unsafe validity = .allocate(capacity: Self.maskWords)
    unsafe validity.initialize(repeating: .max, count: Self.maskWords)
    if type.hasHighSlot {
      let second = UnsafeMutablePointer<Int64>.allocate(capacity: Self.capacity)
      unsafe second.initialize(repeating: 0, count: Self.capacity)
      unsafe high = second
    } else {
      unsafe high = nil
    }
  }

  deinit {
    unsafe slots.deallocate()
    unsafe validity.deallocate()
    unsafe high?.deallocate()
  }

  /// The slot of `row`. Precondition: 0 ≤ row < capacity.
  package subscript(row: Int) -> Int64 {
    get {
      precondition(row >= 0 && row < Self.capacity, "row of a vector")
      // SAFETY: the precondition is the bound of the allocation.
      return unsafe slots[row]
    }
    set {
      precondition(row >= 0 && row < Self.capacity, "row of a vector")
      // SAFETY: as above.
      unsafe slots[row] = newValue
    }
  }

  func highSlot(_ row: Int) -> Int64 {
    precondition(row >= 0 && row < Self.capacity, "row of a vector")
    // SAFETY: as above; `high` has the same capacity.
    return unsafe high?[row] ?? 0
  }

  func setHigh(_ row: Int, _ value: Int64) {
    precondition(row >= 0 && row < Self.capacity, "row of a vector")
    // SAFETY: as above.
    unsafe high?[row] = value
  }

  package func isValid(_ row: Int) -> Bool {
    guard hasNulls else { return true }
    precondition(row >= 0 && row < Self.capacity, "row of a vector")
    // SAFETY: row / 64 < maskWords.
    return unsafe validity[row >> 6] >> UInt64(row & 63) & 1 == 1
  }

  /// 64 rows' validity from row 64·index.
  func validityWord(_ index: Int) -> UInt64 {
    guard hasNulls else { return .max }
    precondition(index >= 0 && index < Self.maskWords, "word of a mask")
    // SAFETY: bounded by the precondition.
    return unsafe validity[index]
  }

  func setValidityWord(_ index: Int, _ word: UInt64) {
    precondition(index >= 0 && index < Self.maskWords, "word of a mask")
    // SAFETY: bounded by the precondition.
    unsafe validity[index] = word
  }

  /// Makes every row valid.
  func clearNulls() { hasNulls = false }

  /// Starts a validity mask with every row valid, for `setNull`.
  func beginNulls() {
    // SAFETY: the allocation has maskWords words.
    unsafe validity.update(repeating: .max, count: Self.maskWords)
    hasNulls = true
  }

  func setNull(_ row: Int) {
    if !hasNulls { beginNulls() }
    precondition(row >= 0 && row < Self.capacity, "row of a vector")
    // SAFETY: row / 64 < maskWords.
    unsafe validity[row >> 6] &= ~(1 << UInt64(row & 63))
  }

  /// Makes every row null.
  func setAllNull() {
    hasNulls = true
    // SAFETY: the allocation has maskWords words.
    unsafe validity.update(repeating: 0, count: Self.maskWords)
  }

  /// The same slot in every row.
  func fill(_ slot: Int64, high second: Int64 = 0) {
    // SAFETY: both allocations have `capacity` slots.
    unsafe slots.update(repeating: slot, count: Self.capacity)
    unsafe high?.update(repeating: second, count: Self.capacity)
    hasNulls = false
    isConstant = true
  }

  /// Validity of `a` and of `b` together: what a strict function of both leaves.
  func intersectNulls(_ a: Vector, _ b: Vector) {
    hasNulls = a.hasNulls || b.hasNulls
    guard hasNulls else { return }
    for word in 0..<Self.maskWords { setValidityWord(word, a.validityWord(word) & b.validityWord(word)) }
  }

  func copyNulls(_ a: Vector) {
    hasNulls = a.hasNulls
    guard hasNulls else { return }
    // SAFETY: both masks have maskWords words and are distinct allocations.
    unsafe validity.update(from: a.validity, count: Self.maskWords)
  }

  /// Rows `rows` of `source` behind each other from row `start` on.
  /// Precondition: start + rows.count ≤ capacity and every row index < capacity.
  func gather(_ source: Vector, _ rows: some RandomAccessCollection<UInt16>, at start: Int = 0) {
    precondition(start + rows.count <= Self.capacity, "gather fits the vector")
    var target = start
    for row in rows {
      precondition(Int(row) < Self.capacity, "row of a vector")
      // SAFETY: both indices were just bounded.
      unsafe slots[target] = source.slots[Int(row)]
      target &+= 1
    }
    if type.hasHighSlot {
      for (offset, row) in rows.enumerated() { setHigh(start + offset, source.highSlot(Int(row))) }
    }
    if source.hasNulls {
      for (offset, row) in rows.enumerated() where !source.isValid(Int(row)) { setNull(start + offset) }
    }
  }

  /// Sets one row from a value of this vector's type. Text goes through `pool`.
  func set(_ row: Int, _ value: SQLValue, _ pool: TextPool) {
    switch value {
    case .null: setNull(row)
    case .bool(let flag): self[row] = flag ? 1 : 0
    case .int(let number):
      self[row] = type == .float ? slot(of: Double(number)) : number
      if type == .wide { setHigh(row, number < 0 ? -1 : 0) }
    case .float(let number): self[row] = slot(of: number)
    case .timestamp(let nanos): self[row] = nanos
    case .text(let text): self[row] = pool.code(of: text)
    case .interval(let interval):
      self[row] = interval.nanos
      setHigh(row, interval.highSlot)
    case .wide(let number):
      self[row] = Int64(truncatingIfNeeded: number)
      setHigh(row, Int64(truncatingIfNeeded: number >> 64))
    }
  }

  func wide(_ row: Int) -> Int128 { wideValue(self[row], highSlot(row)) }
  func setWide(_ row: Int, _ value: Int128) {
    self[row] = Int64(truncatingIfNeeded: value)
    setHigh(row, Int64(truncatingIfNeeded: value >> 64))
  }
  func interval(_ row: Int) -> Interval { Interval(slot: self[row], high: highSlot(row)) }

  package func value(_ row: Int, _ pool: TextPool) -> SQLValue {
    guard isValid(row) else { return .null }
    return sqlValue(type, self[row], highSlot(row), pool)
  }
}

/// A slot as the value it stands for.
func sqlValue(_ type: SQLType, _ slot: Int64, _ high: Int64, _ pool: TextPool) -> SQLValue {
  switch type {
  case .null: .null
  case .bool: .bool(slot != 0)
  case .int: .int(slot)
  case .float: .float(double(slot))
  case .text: .text(pool.text(of: slot))
  case .timestamp: .timestamp(slot)
  case .interval: .interval(Interval(slot: slot, high: high))
  case .wide: .wide(wideValue(slot, high))
  }
}

@inline(__always) func double(_ slot: Int64) -> Double { Double(bitPattern: UInt64(bitPattern: slot)) }
@inline(__always) func slot(of value: Double) -> Int64 { Int64(bitPattern: value.bitPattern) }
@inline(__always) func wideValue(_ low: Int64, _ high: Int64) -> Int128 {
  Int128(high) << 64 | Int128(UInt64(bitPattern: low))
}

/// Rows of one set of columns, at most `Vector.capacity`. Valid until the call that brought it returns.
package final class Batch {
  package var columns: [Vector]
  package var count: Int
  /// Place of row 0 in the order of the source (row r has `sequence + r`): ties are broken by it,
  /// so an answer depends neither on which thread was faster nor on how rows lie in stretches.
  var sequence: UInt64

  init(_ columns: [Vector], count: Int = 0, sequence: UInt64 = 0) {
    self.columns = columns
    self.count = count
    self.sequence = sequence
  }
}

/// Which rows of a batch matter: errors of others are not raised.
struct RowMask {
  var words: [UInt64]

  /// The first `count` rows.
  init(count: Int) {
    words = (0..<Vector.maskWords).map { word in
      let bits = min(max(count - word * 64, 0), 64)
      return bits == 64 ? .max : (1 << UInt64(bits)) - 1
    }
  }

  subscript(row: Int) -> Bool { words[row >> 6] >> UInt64(row & 63) & 1 == 1 }
  var isEmpty: Bool { words.allSatisfy { $0 == 0 } }

  /// Splits off the rows where `condition` is true.
  func whereTrue(_ condition: Vector, _ count: Int) -> RowMask {
    var result = self
    for word in 0..<Vector.maskWords {
      var bits = words[word] & condition.validityWord(word)
      var rest = bits
      while rest != 0 {
        let bit = rest.trailingZeroBitCount
        rest &= rest &- 1
        if condition[word * 64 + bit] == 0 { bits &= ~(1 << UInt64(bit)) }
      }
      result.words[word] = bits
    }
    return result
  }

  mutating func subtract(_ other: RowMask) {
    for word in words.indices { words[word] &= ~other.words[word] }
  }

  /// Calls `body` for each row of the mask, in order.
  @inline(__always) func forEach(_ body: (Int) -> Void) {
    for (index, word) in words.enumerated() {
      var rest = word
      while rest != 0 {
        body(index * 64 + rest.trailingZeroBitCount)
        rest &= rest &- 1
      }
    }
  }
}
