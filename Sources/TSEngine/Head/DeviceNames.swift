/// Devices of tables, numbered from 0 in order of arrival. Their names lie one behind the other in one
/// buffer, found by a table of hashes: some 45 bytes a device with a name of 15, none of them an
/// object of its own.
package struct DeviceNames: Sendable {
  private var bytes: [UInt8] = []
  /// Where the name of each device ends in `bytes`.
  private var ends: [Int] = []
  private var tables: [TableID] = []
  /// Open addressing, linear probing: the hash's upper half above number + 1, or 0 where free. A power
  /// of two, at most three quarters full.
  private var slots: [UInt64] = []
  private let hash = ByteHash()

  package init() {}

  package var count: Int { ends.count }

  /// Bytes held, roughly. O(1).
  package var byteCount: Int {
    bytes.capacity + ends.capacity * 8 + tables.capacity * 4 + slots.capacity * 8
  }

  package func table(_ device: Int) -> TableID { tables[device] }

  package func name(_ device: Int) -> String {
    String(decoding: bytes[start(device)..<ends[device]], as: UTF8.self)
  }

  /// Calls `body` with the name's bytes.
  package func withBytes<R>(_ device: Int, _ body: (RawSpan) -> R) -> R {
    body(bytes.rawSpan.extracting(start(device)..<ends[device]))
  }

  /// Nil when it is not known. O(1), no allocation.
  package func number(_ table: TableID, _ name: RawSpan) -> Int? {
    if slots.isEmpty { return nil }
    let tag = tag(table, name)
    var place = place(tag)
    while slots[place] != 0 {
      let slot = slots[place]
      let device = Int(slot & 0xFFFF_FFFF) &- 1
      if slot >> 32 == tag, tables[device] == table,
        bytes.rawSpan.extracting(start(device)..<ends[device]).hasSameBytes(as: name)
      {
        return device
      }
      place = (place &+ 1) & (slots.count &- 1)
    }
    return nil
  }

  /// Gives a device the next number.
  /// - Precondition: it has none yet.
  /// - Complexity: O(1) amortised.
  package mutating func add(_ table: TableID, _ name: RawSpan) -> Int {
    let number = ends.count
    if (number + 1) * 4 > slots.count * 3 { grow() }
    put(tag(table, name), number)
    bytes.append(name)
    ends.append(bytes.count)
    tables.append(table)
    return number
  }

  private func start(_ device: Int) -> Int { device == 0 ? 0 : ends[device - 1] }

  @inline(__always)
  private func tag(_ table: TableID, _ name: RawSpan) -> UInt64 { hash(name, UInt64(table)) >> 32 }

  private func place(_ tag: UInt64) -> Int { Int(tag) & (slots.count &- 1) }

  private mutating func put(_ tag: UInt64, _ number: Int) {
    precondition(number < 0xFFFF_FFFF, "device numbers are of 32 bits")
    var place = place(tag)
    while slots[place] != 0 { place = (place &+ 1) & (slots.count &- 1) }
    slots[place] = tag << 32 | UInt64(number + 1)
  }

  private mutating func grow() {
    let before = slots
    slots = [UInt64](repeating: 0, count: max(16, before.count * 2))
    for slot in before where slot != 0 { put(slot >> 32, Int(slot & 0xFFFF_FFFF) - 1) }
  }
}
