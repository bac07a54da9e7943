/// Finds the number of a group by its key: open addressing over keys that lie flat, `stride` slots
/// each. The first slots of a key tell, a bit a column, which columns are NULL (NULLs are one group).
struct GroupTable {
  let types: [SQLType]
  private let stride: Int
  private let nullSlots: Int
  private(set) var count = 0
  private var keys: [Int64] = []
  /// Group number + 1 by hash; 0 is free. A power of two, at most half full.
  private var buckets: [Int32]
  /// Where each group first appeared, for an order that is the same in every run.
  private(set) var firstSeen: [UInt64] = []
  private var scratch: [Int64]

  init(types: [SQLType]) {
    self.types = types
    nullSlots = max(1, (types.count + 63) / 64)
    stride = nullSlots + types.reduce(0) { $0 + ($1.hasHighSlot ? 2 : 1) }
    buckets = [Int32](repeating: 0, count: 64)
    scratch = [Int64](repeating: 0, count: stride)
  }

  /// Bytes that another group costs here.
  var bytesPerGroup: Int { stride * 8 + 24 }

  /// The groups of the first `count` rows of `columns`, into `groups`.
  mutating func find(_ columns: [Vector], _ rows: Int, sequence: UInt64, _ groups: inout [Int32]) {
    var last: Int32 = -1
    for row in 0..<rows {
      if load(columns, row) || last < 0 {
        last = Int32(truncatingIfNeeded: lookUp(sequence &+ UInt64(row)))
      } else if sequence &+ UInt64(row) < firstSeen[Int(last)] {
        firstSeen[Int(last)] = sequence &+ UInt64(row)
      }
      groups[row] = last
    }
  }

  /// The group of one row.
  mutating func find(_ columns: [Vector], row: Int, sequence: UInt64) -> Int {
    _ = load(columns, row)
    return lookUp(sequence)
  }

  /// Puts the key of `row` in `scratch`; false when it was there already.
  private mutating func load(_ columns: [Vector], _ row: Int) -> Bool {
    var changed = false
    var nulls: Int64 = 0
    var slot = nullSlots
    for (index, column) in columns.enumerated() {
      if index > 0, index & 63 == 0 {
        changed = changed || scratch[index / 64 - 1] != nulls
        scratch[index / 64 - 1] = nulls
        nulls = 0
      }
      var value: Int64 = 0
      var high: Int64 = 0
      if column.isValid(row) {
        value = column[row]
        if column.type == .float { value = canonicalFloat(value) }
        if column.type.hasHighSlot { high = column.highSlot(row) }
      } else {
        nulls |= 1 << Int64(index & 63)
      }
      changed = changed || scratch[slot] != value
      scratch[slot] = value
      slot += 1
      if column.type.hasHighSlot {
        changed = changed || scratch[slot] != high
        scratch[slot] = high
        slot += 1
      }
    }
    changed = changed || scratch[nullSlots - 1] != nulls
    scratch[nullSlots - 1] = nulls
    return changed
  }

  private func canonicalFloat(_ bits: Int64) -> Int64 {
    let value = double(bits)
    if value == 0 { return 0 }
    return value.isNaN ? slot(of: .nan) : bits
  }

  private mutating func lookUp(_ sequence: UInt64) -> Int {
    let mask = buckets.count - 1
    var at = Self.hash(scratch[...]) & mask
    while buckets[at] != 0 {
      let group = Int(buckets[at]) - 1
      if isEqual(group) {
        if sequence < firstSeen[group] { firstSeen[group] = sequence }
        return group
      }
      at = (at + 1) & mask
    }
    let group = count
    count += 1
    buckets[at] = Int32(count)
    keys.append(contentsOf: scratch)
    firstSeen.append(sequence)
    if count * 2 > buckets.count { grow() }
    return group
  }

  /// Group number of the key that `load` put in scratch, or nil when there is none.
  mutating func existing(_ columns: [Vector], row: Int) -> Int? {
    _ = load(columns, row)
    let mask = buckets.count - 1
    var at = Self.hash(scratch[...]) & mask
    while buckets[at] != 0 {
      if isEqual(Int(buckets[at]) - 1) { return Int(buckets[at]) - 1 }
      at = (at + 1) & mask
    }
    return nil
  }

  private func isEqual(_ group: Int) -> Bool {
    let start = group * stride
    for index in 0..<stride where keys[start + index] != scratch[index] { return false }
    return true
  }

  private static func hash(_ key: ArraySlice<Int64>) -> Int {
    var hash: UInt64 = 0x9E37_79B9_7F4A_7C15
    for slot in key {
      // Multiply and fold, as wyhash: every bit of a slot reaches the low bits.
      let (high, low) = (hash ^ UInt64(bitPattern: slot)).multipliedFullWidth(by: 0xA076_1D64_78BD_642F)
      hash = high ^ low
    }
    return Int(truncatingIfNeeded: hash)
  }

  private mutating func grow() {
    buckets = [Int32](repeating: 0, count: buckets.count * 4)
    let mask = buckets.count - 1
    for group in 0..<count {
      var at = Self.hash(keys[group * stride..<(group + 1) * stride]) & mask
      while buckets[at] != 0 { at = (at + 1) & mask }
      buckets[at] = Int32(group + 1)
    }
  }

  /// Takes in the groups of `other`; element g of the result is the number here of its group g.
  mutating func merge(_ other: GroupTable) -> [Int32] {
    var map: [Int32] = []
    map.reserveCapacity(other.count)
    for group in 0..<other.count {
      for index in 0..<stride { scratch[index] = other.keys[group * stride + index] }
      map.append(Int32(truncatingIfNeeded: lookUp(other.firstSeen[group])))
    }
    return map
  }

  /// Writes column `index` of a group's key.
  func write(_ group: Int, _ index: Int, _ out: Vector, _ row: Int) {
    if keys[group * stride + index / 64] >> Int64(index & 63) & 1 == 1 { return out.setNull(row) }
    var slot = group * stride + nullSlots
    for type in types[..<index] { slot += type.hasHighSlot ? 2 : 1 }
    out[row] = keys[slot]
    if types[index].hasHighSlot { out.setHigh(row, keys[slot + 1]) }
  }

  /// Group numbers in order of first appearance; equal ones (rows of a join) by key.
  func orderedGroups() -> [Int] {
    (0..<count).sorted { a, b in
      if firstSeen[a] != firstSeen[b] { return firstSeen[a] < firstSeen[b] }
      return keys[a * stride..<(a + 1) * stride].lexicographicallyPrecedes(keys[b * stride..<(b + 1) * stride])
    }
  }
}
