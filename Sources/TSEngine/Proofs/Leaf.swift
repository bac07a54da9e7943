/// The order of leaves: by LSN; the readings of one LSN by table, device, probe and time.
package struct LeafKey: Hashable, Comparable, Sendable {
  package var lsn: LSN
  /// 0 for an event.
  package var table: TableID = 0
  package var device = ""
  package var probe: Int32 = 0
  /// The first instant.
  package var time: Int64 = 0

  package var series: SeriesKey { SeriesKey(table: table, device: device, probe: probe) }

  package static func < (a: LeafKey, b: LeafKey) -> Bool {
    if a.lsn != b.lsn { return a.lsn < b.lsn }
    if a.series != b.series { return a.series < b.series }
    return a.time < b.time
  }
}

/// What the tree is built over: readings that one LSN brought to one series, at most 64 instants of
/// them, or one event; in bytes that do not depend on where and how they are stored.
package struct Leaf: Sendable {
  package var key: LeafKey
  package var bytes: [UInt8]

  package var digest: Digest { MerkleTree.leaf(bytes) }

  init(key: LeafKey, bytes: [UInt8]) {
    self.key = key
    self.bytes = bytes
  }

  /// An event, its body as `Journal` encodes it.
  init(event body: some Sequence<UInt8>, lsn: LSN) {
    key = LeafKey(lsn: lsn)
    var out = ByteWriter(reserving: 256)
    out.put(ProofFormat.leafVersion)
    out.put(ProofFormat.LeafKind.event.rawValue)
    out.put(lsn)
    out.bytes.append(contentsOf: body)
    bytes = out.bytes
  }
}

/// A table as its leaves name it: what every leaf repeats is encoded once.
struct LeafSchema: Sendable {
  struct Column: Sendable {
    let id: ColumnID
    let type: ColumnType
    /// Id, name and type as they stand in a leaf.
    let head: [UInt8]
  }

  let id: TableID
  let name: [UInt8]
  /// Ascending by id.
  let columns: [Column]

  init(_ schema: TableSchema) {
    id = schema.id
    var out = ByteWriter()
    out.string(schema.name)
    name = out.bytes
    columns = schema.columns.sorted { $0.id < $1.id }.map { column in
      var head = ByteWriter()
      head.varint(UInt64(column.id))
      head.string(column.name)
      head.put(column.type.rawValue)
      return Column(id: column.id, type: column.type, head: head.bytes)
    }
  }
}

/// Writes one leaf of readings after another into its buffer (FORMAT.md, "Proofs").
struct LeafWriter: Sendable {
  /// One column of the rows of a leaf.
  struct Column {
    let schema: LeafSchema.Column
    /// One slot a row; one for all rows when `isConstant`.
    let slots: ArraySlice<Int64>
    /// False where a row is null; nil when none is.
    let valid: ArraySlice<Bool>?
    var isConstant = false
  }

  private let symbols: SymbolTable
  /// The prefix of a leaf, the leaf, and behind `end` the padding that SHA-256 asks for.
  var out = ByteWriter(reserving: 1024)
  private var end = 0

  init(symbols: SymbolTable) { self.symbols = symbols }

  /// - Parameters:
  ///   - times: of the rows, ascending, not empty.
  ///   - columns: ascending by id.
  mutating func write(
    _ schema: LeafSchema, lsn: LSN, device: String, probe: Int32, times: [Int64],
    columns: [Column]
  ) {
    begin(schema, lsn, device, probe, count: times.count)
    put(times)
    var present = 0
    for column in columns where column.valid?.contains(true) ?? true { present += 1 }
    out.varint(present)
    for column in columns where column.valid?.contains(true) ?? true { put(column, times.count) }
    finish()
  }

  mutating func begin(
    _ schema: LeafSchema, _ lsn: LSN, _ device: String, _ probe: Int32, count: Int
  ) {
    out.bytes.removeAll(keepingCapacity: true)
    out.append(atMost: 24) { fields in
      fields.put(ProofFormat.leafPrefix)
      fields.put(ProofFormat.leafVersion)
      fields.put(ProofFormat.LeafKind.rows.rawValue)
      fields.put(lsn)
      fields.varint(UInt64(schema.id))
    }
    out.append(schema.name)
    out.string(device)
    out.zigzag(Int64(probe))
    out.varint(count)
  }

  /// The leaf is complete.
  mutating func finish() {
    end = out.count
    SHA256.pad(&out.bytes)
  }

  mutating func put(_ times: [Int64]) {
    var isEven = true
    for row in 2..<max(2, times.count)
    where times[row] &- times[row - 1] != times[1] &- times[0] { isEven = false }
    out.put(isEven ? ProofFormat.TimesForm.even : ProofFormat.TimesForm.uneven)
    out.put(times[0])
    for row in 1..<max(1, isEven ? min(2, times.count) : times.count) {
      out.varint(UInt64(bitPattern: times[row] &- times[row - 1]))
    }
  }

  private mutating func put(_ column: Column, _ count: Int) {
    out.append(column.schema.head)
    let (slots, type) = (column.slots, column.schema.type)
    if let valid = column.valid, valid.contains(false) {
      out.put(ProofFormat.ColumnForm.nullable)
      for start in stride(from: 0, to: count, by: 8) {
        var byte: UInt8 = 0
        for bit in 0..<min(8, count - start) where valid[valid.startIndex + start + bit] {
          byte |= 1 << UInt8(bit)
        }
        out.put(byte)
      }
      for row in 0..<count where valid[valid.startIndex + row] {
        put(slots[slots.startIndex + (column.isConstant ? 0 : row)], type)
      }
      return
    }
    let first = slots[slots.startIndex]
    if column.isConstant || slots.allSatisfy({ $0 == first || type == .text && symbols.isSame($0, first) }) {
      out.put(ProofFormat.ColumnForm.constant)
      put(first, type)
    } else {
      out.put(ProofFormat.ColumnForm.values)
      for slot in slots { put(slot, type) }
    }
  }

  mutating func put(_ slot: Int64, _ type: ColumnType) {
    switch type {
    case .int: out.zigzag(slot)
    case .float: out.put(slot)
    case .bool: out.put(UInt8(truncatingIfNeeded: slot & 1))
    case .symbol, .text: out.string(symbols.heldText(of: slot))
    }
  }

  /// The bytes by which rows of one instant are ordered and told apart.
  mutating func bytes(ofRow values: [(column: LeafSchema.Column, slot: Int64)]) -> [UInt8] {
    out.bytes.removeAll(keepingCapacity: true)
    for (column, slot) in values {
      out.varint(UInt64(column.id))
      put(slot, column.type)
    }
    return out.bytes
  }

  /// The leaf that was written last.
  var bytes: [UInt8] { Array(out.bytes[1..<end]) }

  /// SHA-256 of the leaf that was written last.
  func digest() -> Digest { Digest(SHA256.words(ofPadded: out.bytes.rawSpan)) }
}
