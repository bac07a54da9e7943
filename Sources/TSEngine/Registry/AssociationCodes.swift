import HashTreeCollections

/// The code by which each device can be claimed, found by its first digits.
package struct AssociationCodes: Sendable, Equatable {
  package struct Issued: Sendable, Equatable {
    package let device: String
    package let code: AssociationCode
    /// Nanoseconds since the Unix epoch; from then on it claims nothing. Nothing happens in the
    /// log when that time comes: whoever asks brings the clock (L-26).
    package let expiresAt: Int64
    /// An association used it up; it never claims again (L-24).
    package var isUsed = false
  }

  private var byDevice = LayeredMap<Issued>()
  /// The six digits a display shows (upper half) and the place in the base of `byDevice` of whom had
  /// them there, ascending.
  private var shownInBase: [UInt64] = []
  /// Devices that got a code since by the six digits; as a rule one each.
  private var byShown: TreeDictionary<UInt32, [String]> = [:]

  package init() {}

  package var count: Int { byDevice.count }
  package subscript(device: String) -> Issued? { byDevice[device] }

  /// Whether some device has just this code (L-20).
  package func contains(_ code: AssociationCode) -> Bool {
    devices(showing: code.shown).contains { byDevice[$0]?.code == code }
  }

  /// All that start with `prefix`, used and expired ones included, ascending by device.
  package func matching(_ prefix: CodePrefix) -> [Issued] {
    devices(showing: prefix.shown).compactMap { byDevice[$0] }.filter { prefix.matches($0.code) }
  }

  /// Devices that show these digits or did, ascending. O(log n + devices).
  private func devices(showing shown: UInt32) -> [String] {
    var found = byShown[shown] ?? []
    var (low, high) = (0, shownInBase.count)
    while low < high {
      let middle = (low + high) / 2
      if shownInBase[middle] >> 32 < UInt64(shown) { low = middle + 1 } else { high = middle }
    }
    while low < shownInBase.count, shownInBase[low] >> 32 == UInt64(shown) {
      let device = byDevice.base[Int(shownInBase[low] & 0xFFFF_FFFF)].device
      if !found.contains(device) { found.append(device) }
      low += 1
    }
    return found.count > 1 ? found.sorted() : found
  }

  mutating func apply(_ event: Event) {
    switch event.kind {
    case .codeIssued(let device, let code, let expiresAt):
      remove(device)
      add(Issued(device: device, code: code, expiresAt: expiresAt))
    case .deviceAssociated(let device, _, _, _):
      byDevice.update(device) { $0.isUsed = true }
    case .deviceDeleted(let device):
      remove(device)
    default: break
    }
  }

  private mutating func add(_ issued: Issued) {
    byDevice[issued.device] = issued
    byShown.updateValue(forKey: issued.code.shown, default: []) { devices in
      devices.insert(issued.device, at: devices.firstIndex { $0 > issued.device } ?? devices.count)
    }
  }

  private mutating func remove(_ device: String) {
    guard let old = byDevice[device] else { return }
    byDevice[device] = nil
    guard let rest = byShown[old.code.shown]?.filter({ $0 != device }) else { return }
    byShown[old.code.shown] = rest.isEmpty ? nil : rest
  }

  package static func == (a: AssociationCodes, b: AssociationCodes) -> Bool { a.byDevice == b.byDevice }
}

extension AssociationCodes: Checkpointed {
  func encode(into writer: inout ByteWriter) {
    writer.varint(byDevice.count)
    byDevice.forEach { _, issued in
      writer.string(issued.device)
      writer.put(issued.code.high)
      writer.put(issued.code.low)
      writer.put(issued.expiresAt)
      writer.put(UInt8(issued.isUsed ? 1 : 0))
    }
  }

  init(from reader: inout ByteReader) throws(StorageError) {
    var base = LayeredMap<Issued>.Base(count: try reader.count(limit: reader.remaining))
    while !base.isFull {
      let device = try reader.string()
      let code = AssociationCode(
        high: try reader.next(UInt64.self), low: try reader.next(UInt64.self))
      var issued = Issued(device: device, code: code, expiresAt: try reader.next(Int64.self))
      issued.isUsed = try reader.next(UInt8.self) != 0
      shownInBase.append(UInt64(code.shown) << 32 | UInt64(base.count))
      try base.append(device, issued)
    }
    byDevice = LayeredMap(base)
    shownInBase.sort()
  }
}
