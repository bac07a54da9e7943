import Synchronization

/// The rows of a shared block, decoded as they are asked for and kept for its other members.
package final class SharedBlock: Sendable {
  /// All values of a column: process-wide slots, a row each.
  package struct Column: Sendable {
    package let slots: [Int64]
    /// Bit r%64 of word r/64 is 1 where row r is not null; nil when no row is null.
    package let validity: [UInt64]?
    /// Of a column of texts: what its slots, which are local codes, stand for. Texts get codes of the
    /// process with each member that is read, and go with its rows.
    fileprivate let texts: [String]?
  }

  /// What a member has of a column: rows from `start` on.
  struct Part: Sendable {
    var column: Column
    var start: Int
    /// Of a column of texts.
    var texts: TextHold?
  }

  private struct State {
    var columns: [ColumnID: Column] = [:]
    var instants: [Int64]?
    var lsns: [LSN]?
  }

  /// Its place in the directory's shared blocks.
  package let block: Int
  private let state = Mutex(State())

  init(_ block: Int) { self.block = block }

  /// `rows` of a column; nil when the block has no such column: null throughout.
  /// - Throws: `.io`, `.corrupt`, `.truncated`.
  /// - Complexity: O(block) for the first member, then O(1), for texts O(rows).
  func part(
    _ id: ColumnID, _ rows: Range<Int>, in directory: BlockDirectory
  ) throws(StorageError) -> Part? {
    guard let column = try column(id, in: directory) else { return nil }
    guard let texts = column.texts else { return Part(column: column, start: rows.lowerBound) }
    let hold = TextHold(of: id, in: directory.symbols)
    var codes: [Int64: Int64] = [:]
    var slots: [Int64] = []
    for local in column.slots[rows] {
      // A local code above the texts belongs to a null row.
      if codes[local] == nil {
        codes[local] = texts.indices.contains(Int(local)) ? hold.add(texts[Int(local)]) : 0
      }
      slots.append(codes[local] ?? 0)
    }
    let own = Column(slots: slots, validity: column.validityWords(rows), texts: nil)
    return Part(column: own, start: 0, texts: hold)
  }

  /// All rows of a column.
  private func column(_ id: ColumnID, in directory: BlockDirectory) throws(StorageError) -> Column? {
    if let known = state.withLock({ $0.columns[id] }) { return known }
    let table = directory.shared.table
    guard let section = table.section(block, id), let type = directory.types[id] else { return nil }
    let count = Int(table.rows[block].rowCount)
    var texts: [String]?
    let opened: BlockReader.Column
    if type == .text {
      var local: [String] = []
      let codes = try SymbolColumn(directory.source.bytes(of: section), count: count) {
        local.append($0)
        return 0
      }
      opened = BlockReader.Column(section: codes.section, codes: nil)
      texts = local
    } else if let column = try directory.column(id, section, count: count) {
      opened = column
    } else {
      return nil
    }
    let decoded = opened.decoded(id)
    var slots: [Int64]
    switch decoded.content {
    case .values(let values): slots = values
    case .constant(let value): slots = [Int64](repeating: value, count: opened.section.count)
    }
    if opened.section.isAllNull { slots = [Int64](repeating: 0, count: opened.section.count) }
    let column = Column(slots: slots, validity: decoded.validity, texts: texts)
    state.withLock { $0.columns[id] = column }
    return column
  }

  /// Instants of all rows, member by member.
  /// - Throws: `.io`, `.corrupt`, `.truncated`.
  func instants(in directory: BlockDirectory) throws(StorageError) -> [Int64] {
    if let known = state.withLock({ $0.instants }) { return known }
    let instants = try decodeInstants(directory)
    state.withLock { $0.instants = instants }
    return instants
  }

  /// The LSN of each row, member by member.
  /// - Throws: `.io`, `.corrupt`, `.truncated`.
  func lsns(in directory: BlockDirectory) throws(StorageError) -> [LSN] {
    if let known = state.withLock({ $0.lsns }) { return known }
    let lsns = try decodeLSNs(directory)
    state.withLock { $0.lsns = lsns }
    return lsns
  }

  private func decodeInstants(_ directory: BlockDirectory) throws(StorageError) -> [Int64] {
    let shared = directory.shared
    let members = shared.members(ofBlock: block)
    var instants: [Int64] = []
    instants.reserveCapacity(Int(shared.table.rows[block].rowCount))
    guard let section = shared.table.timeSection(block) else {
      for member in members {
        guard let regular = shared.row(ofMember: member).regular else {
          throw StorageError(.corrupt, "a shared block without times")
        }
        for row in 0..<regular.count { instants.append(regular.tick(row)) }
      }
      return instants
    }
    // Members whose instants are those of the one before have none of their own.
    let repeats = members.map { shared.isRepeat($0) }
    let counts = members.map { shared.rows(ofMember: $0, in: block).count }
    let stepCount = zip(counts, repeats).reduce(0) { $0 + ($1.1 ? 0 : $1.0 - 1) }
    let steps =
      stepCount == 0
      ? [] : try ColumnSection(directory.source.bytes(of: section), count: stepCount).allSlots()
    var step = 0
    for (place, member) in members.enumerated() {
      if repeats[place] {
        for _ in 0..<counts[place] { instants.append(instants[instants.count - counts[place]]) }
        continue
      }
      let times = shared.times(ofMember: member)
      var instant = times.lowerBound
      instants.append(instant)
      for _ in 1..<max(1, counts[place]) {
        let (next, overflow) = instant.addingReportingOverflow(steps[step])
        guard steps[step] > 0, !overflow else { throw Self.misfit }
        instants.append(next)
        instant = next
        step += 1
      }
      guard instant == times.upperBound else { throw Self.misfit }
    }
    return instants
  }

  private static var misfit: StorageError {
    StorageError(.corrupt, "instants or LSNs do not fit their shared block")
  }

  private func decodeLSNs(_ directory: BlockDirectory) throws(StorageError) -> [LSN] {
    let shared = directory.shared
    let row = shared.table.rows[block]
    guard let section = shared.table.lsnSection(block) else {
      return [LSN](repeating: row.oldestLSN, count: Int(row.rowCount))
    }
    let counts = shared.members(ofBlock: block).map { shared.rows(ofMember: $0, in: block).count }
    let lsns = try SharedLSNs.decode(directory.source.bytes(of: section), counts: counts)
      .map { $0 &+ directory.baseLSN }
    guard lsns.min() == row.oldestLSN, lsns.max() == row.newestLSN else { throw Self.misfit }
    return lsns
  }

  /// Decodes all and compares it with what the index says.
  /// - Throws: `.corrupt`, `.truncated`, `.io`.
  package static func check(_ block: Int, in directory: BlockDirectory) throws(StorageError) {
    for position in directory.positions(ofShared: block) {
      let reader = directory.reader(position)
      let rows = try reader.rows()
      guard rows.count == reader.rowCount, rows.times.first == reader.firstTime,
        rows.times.last == reader.lastTime, rows.lsns.last?.end == reader.rowCount
      else { throw Self.misfit }
    }
    let shared = directory.sharedBlock(block)
    let lsns = try shared.lsns(in: directory)
    let row = directory.shared.table.rows[block]
    guard lsns.min() == row.oldestLSN, lsns.max() == row.newestLSN else { throw Self.misfit }
    for id in directory.shared.table.columns(block) {
      guard let column = try shared.column(id, in: directory), let type = directory.types[id],
        let statistics = directory.shared.table.statistics(block, id),
        BlockCheck.holds(
          statistics,
          RowSet.Column(id: id, content: .values(column.slots), validity: column.validity), type,
          rowCount: lsns.count)
      else { throw StorageError(.corrupt, "statistics that do not fit their column") }
    }
  }
}

/// The LSN section of a shared block: which members repeat the one before, the first LSN of each other,
/// and the steps from row to row within them.
///
///     | byte count varint | repeats | byte count varint | first LSNs | steps |
enum SharedLSNs {
  static func encode(_ members: [[LSN]], _ encoder: inout ColumnEncoder) -> [UInt8] {
    var (repeats, firsts, steps): ([Int64], [Int64], [Int64]) = ([], [], [])
    for (place, lsns) in members.enumerated() {
      let isRepeat = place > 0 && members[place - 1] == lsns
      repeats.append(isRepeat ? 1 : 0)
      if isRepeat { continue }
      firsts.append(Int64(bitPattern: lsns[0]))
      for (before, lsn) in zip(lsns, lsns.dropFirst()) { steps.append(Int64(bitPattern: lsn &- before)) }
    }
    var out = ByteWriter()
    for values in [repeats, firsts] {
      var section = ByteWriter()
      _ = encoder.encode(values.span, type: .int, into: &section)
      out.varint(section.count)
      out.append(section.bytes)
    }
    if !steps.isEmpty { _ = encoder.encode(steps.span, type: .int, into: &out) }
    return out.bytes
  }

  /// - Parameter counts: rows of each member.
  /// - Throws: `.corrupt`, `.truncated`; never traps on any bytes.
  static func decode(_ bytes: [UInt8], counts: [Int]) throws(StorageError) -> [LSN] {
    func section(_ reader: inout ByteReader, _ count: Int) throws(StorageError) -> [Int64] {
      let byteCount = try reader.count(limit: reader.remaining)
      let start = reader.offset
      _ = try reader.take(byteCount)
      return try ColumnSection(bytes, in: start..<reader.offset, count: count).allSlots()
    }
    var reader = ByteReader(bytes.rawSpan)
    let repeats = try section(&reader, counts.count)
    let firsts = try section(&reader, repeats.count { $0 == 0 })
    let stepCount = zip(counts, repeats).reduce(0) { $0 + ($1.1 == 0 ? $1.0 - 1 : 0) }
    var steps: [Int64] = []
    if stepCount > 0 {
      steps = try ColumnSection(bytes, in: reader.offset..<bytes.count, count: stepCount).allSlots()
    } else if !reader.isAtEnd {
      throw StorageError(.corrupt, "bytes behind LSNs", offset: reader.offset)
    }
    var lsns: [LSN] = []
    var (own, step) = (0, 0)
    for (member, count) in counts.enumerated() {
      if repeats[member] != 0 {
        guard repeats[member] == 1, member > 0, counts[member - 1] == count else {
          throw StorageError(.corrupt, "LSNs of a member that cannot repeat another's")
        }
        for _ in 0..<count { lsns.append(lsns[lsns.count - count]) }
        continue
      }
      var lsn = LSN(bitPattern: firsts[own])
      own += 1
      lsns.append(lsn)
      for _ in 1..<max(1, count) {
        lsn &+= LSN(bitPattern: steps[step])
        step += 1
        lsns.append(lsn)
      }
    }
    return lsns
  }
}
