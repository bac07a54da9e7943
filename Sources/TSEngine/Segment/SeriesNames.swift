/// The series of a data segment, sorted by device, then probe: names in one buffer, the probes of a
/// device share theirs. Some 25 bytes a device and 9 a series.
package struct SeriesNames: RandomAccessCollection, Sendable {
  private let table: TableID
  private var text: [UInt8] = []
  private var starts: [UInt32] = []
  private var lengths: [UInt8] = []
  private var probes: [Int32] = []

  /// Bytes a device's name may have.
  private static let nameLimit = 128

  package init(table: TableID = 0) { self.table = table }

  package var startIndex: Int { 0 }
  package var endIndex: Int { probes.count }

  package subscript(position: Int) -> SeriesKey {
    SeriesKey(
      table: table, device: String(decoding: name(position), as: UTF8.self), probe: probes[position])
  }

  private func name(_ position: Int) -> ArraySlice<UInt8> {
    let start = Int(starts[position])
    return text[start..<(start + Int(lengths[position]))]
  }

  /// Bytes held, roughly. O(1).
  package var byteCount: Int {
    text.capacity + starts.capacity * 4 + lengths.capacity + probes.capacity * 4
  }

  /// The position of `key`, or nil. O(log series).
  package func firstIndex(of key: SeriesKey) -> Int? {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if self[middle] < key { low = middle + 1 } else { high = middle }
    }
    return low < count && self[low] == key ? low : nil
  }

  private mutating func append(sharing shared: Int, _ suffix: ArraySlice<UInt8>, probe: Int32) {
    if suffix.isEmpty, let last = lengths.last, Int(last) == shared, let start = starts.last {
      starts.append(start)
    } else {
      let start = text.count
      if shared > 0, let before = starts.last {
        for place in Int(before)..<(Int(before) + shared) { text.append(text[place]) }
      }
      text.append(contentsOf: suffix)
      starts.append(UInt32(start))
    }
    lengths.append(UInt8(shared + suffix.count))
    probes.append(probe)
  }

  /// Sorted keys of one table.
  package init(_ keys: [SeriesKey]) {
    self.init(table: keys.first?.table ?? 0)
    for key in keys { append(key.device, key.probe) }
  }

  private mutating func append(_ device: String, _ probe: Int32) {
    let name = Array(device.utf8)
    let isSame = !isEmpty && self.name(count - 1).elementsEqual(name)
    append(sharing: isSame ? name.count : 0, isSame ? [] : name[...], probe: probe)
  }

  // MARK: As a list of texts (index of form 1)

  /// - Throws: `.corrupt`, `.truncated`.
  package init(texts reader: inout ByteReader, table: TableID) throws(StorageError) {
    self.init(table: table)
    for _ in 0..<(try reader.count(limit: reader.remaining)) {
      let device = try reader.string(limit: Self.nameLimit)
      let probe = Int32(truncatingIfNeeded: try reader.zigzag())
      append(device, probe)
    }
  }

  // MARK: Each against the one before (index of form 2)

  private enum Flag {
    static let length: UInt8 = 0x0F
    static let hasProbe: UInt8 = 0x10
    static let hasShared: UInt8 = 0x20
  }

  /// Appends `keys`, which are sorted, to `out`: a byte and the end of its name a series, mostly.
  package static func encode(_ keys: [SeriesKey], into out: inout ByteWriter) {
    out.varint(keys.count)
    var before: (name: [UInt8], probe: Int32) = ([], 0)
    for key in keys {
      let name = Array(key.device.utf8)
      let shared = zip(name, before.name).prefix { $0 == $1 }.count
      let suffix = name.count - shared
      var head = UInt8(Swift.min(suffix, Int(Flag.length)))
      if key.probe != before.probe { head |= Flag.hasProbe }
      if shared != Swift.max(0, before.name.count - suffix) { head |= Flag.hasShared }
      out.put(head)
      if suffix >= Int(Flag.length) { out.varint(suffix - Int(Flag.length)) }
      if head & Flag.hasShared != 0 { out.varint(shared) }
      out.append(Array(name[shared...]))
      if head & Flag.hasProbe != 0 { out.zigzag(Int64(key.probe)) }
      before = (name, key.probe)
    }
  }

  /// - Throws: `.corrupt`, `.truncated`; never traps on any bytes.
  package init(against reader: inout ByteReader, table: TableID) throws(StorageError) {
    self.init(table: table)
    var probe: Int32 = 0
    for _ in 0..<(try reader.count(limit: reader.remaining)) {
      let head = try reader.next(UInt8.self)
      var suffix = Int(head & Flag.length)
      guard head < Flag.hasShared << 1 else {
        throw StorageError(.corrupt, "unknown form of a series", offset: reader.offset)
      }
      if suffix == Int(Flag.length) { suffix += try reader.count(limit: Self.nameLimit) }
      let known = lengths.last.map { Int($0) } ?? 0
      var shared = Swift.max(0, known - suffix)
      if head & Flag.hasShared != 0 { shared = try reader.count(limit: known) }
      guard shared + suffix <= Self.nameLimit else {
        throw StorageError(.corrupt, "a device's name is too long", offset: reader.offset)
      }
      let end = [UInt8](try reader.take(suffix))
      if head & Flag.hasProbe != 0 { probe = Int32(truncatingIfNeeded: try reader.zigzag()) }
      append(sharing: shared, end[...], probe: probe)
      guard String(validating: name(count - 1), as: UTF8.self) != nil else {
        throw StorageError(.corrupt, "a device's name is no text", offset: reader.offset)
      }
    }
  }
}
