/// Shared blocks in the index (FORMAT.md, "Shared blocks"): what is said of members are columns.
extension SegmentIndex {
  /// A shared block as it is written: its series is that of its first member.
  package struct Shared: Sendable {
    package var entry: BlockEntry
    package var members: SharedBlocks.Members
  }

  static func encode(_ shared: [Shared], into out: inout ByteWriter) {
    out.varint(shared.count)
    var encoder = ColumnEncoder()
    var before = Before()
    var lastSeries = 0
    for block in shared {
      let (entry, members) = (block.entry, block.members)
      out.varint((members.series.first ?? 0) - lastSeries)
      out.put(entry.kind.rawValue | (entry.isCold ? SegmentFormat.coldKind : 0))
      out.varint(members.series.count)
      out.varint(entry.rowCount)
      let own = members.repeats.indices.filter { !members.repeats[$0] }
      var gaps = members.series
      for member in gaps.indices.reversed() {
        gaps[member] = member == 0 ? 0 : gaps[member] - gaps[member - 1]
      }
      put(gaps.map { Int64($0) }, &encoder, into: &out)
      put(members.counts.map { Int64($0) }, &encoder, into: &out)
      put(members.repeats.map { $0 ? 1 : 0 }, &encoder, into: &out)
      put(own.map { members.firsts[$0] }, &encoder, into: &out)
      put(own.map { members.spans[$0] }, &encoder, into: &out)
      if members.isEven {
        out.put(SegmentFormat.SharedTimeForm.even)
      } else {
        out.put(SegmentFormat.SharedTimeForm.steps)
        encode(entry.timeSection ?? .inline([]), before.block?.timeSection, &before, into: &out)
      }
      encodeRest(entry, &before, into: &out)
      before.block = entry
      lastSeries = members.series.last ?? 0
    }
  }

  private static func put(
    _ values: [Int64], _ encoder: inout ColumnEncoder, into out: inout ByteWriter
  ) {
    var section = ByteWriter()
    _ = encoder.encode(values.span, type: .int, into: &section)
    out.varint(section.count)
    out.append(section.bytes)
  }

  // MARK: Decoding

  /// - Throws: `.corrupt`, `.truncated`; never traps on any bytes.
  static func decodeShared(
    _ reader: inout ByteReader, seriesCount: Int, sectionLimit: Int, baseLSN: LSN
  ) throws(StorageError) -> SharedBlocks {
    var shared = SharedBlocks()
    var before = Before()
    var lastSeries = 0
    for _ in 0..<(try reader.count(limit: reader.remaining)) {
      let first = lastSeries + (try reader.count(limit: seriesCount))
      let kindByte = try reader.next(UInt8.self)
      guard kindByte & ~SegmentFormat.coldKind == BlockEntry.Kind.main.rawValue else {
        throw StorageError(.corrupt, "impossible kind of a shared block", offset: reader.offset)
      }
      let memberCount = try reader.count(limit: BlockGrid.maxRows)
      let rowCount = try reader.count(limit: BlockGrid.maxRows)
      guard memberCount > 0, rowCount >= memberCount else { throw impossible(reader) }
      var members = try decodeMembers(&reader, first, memberCount, rowCount: rowCount)
      guard let last = members.series.last, last < seriesCount else { throw impossible(reader) }
      var entry = BlockEntry(
        series: first, kind: .main, rowCount: rowCount, firstTime: members.firsts.min() ?? 0,
        lastTime: zip(members.firsts, members.spans).lazy.map { $0 &+ $1 }.max() ?? 0, oldestLSN: 0,
        newestLSN: 0, columns: [])
      entry.isCold = kindByte & SegmentFormat.coldKind != 0
      switch try reader.next(UInt8.self) {
      case SegmentFormat.SharedTimeForm.even: members.isEven = true
      case SegmentFormat.SharedTimeForm.steps:
        entry.timeSection = try decodeSection(
          &reader, before.block?.timeSection, &before, sectionLimit)
      default: throw StorageError(.corrupt, "unknown time form", offset: reader.offset)
      }
      for member in members.series.indices where members.isEven {
        guard
          RegularTimes(
            few: members.firsts[member], span: members.spans[member], count: members.counts[member])
            != nil
        else { throw impossible(reader) }
      }
      try decodeRest(&reader, &before, &entry, sectionLimit)
      before.block = entry
      lastSeries = last
      entry.oldestLSN &+= baseLSN
      entry.newestLSN &+= baseLSN
      shared.append(entry, members)
    }
    return shared
  }

  private static func impossible(_ reader: borrowing ByteReader) -> StorageError {
    StorageError(.corrupt, "impossible members of a shared block", offset: reader.offset)
  }

  private static func decodeMembers(
    _ reader: inout ByteReader, _ first: Int, _ count: Int, rowCount: Int
  ) throws(StorageError) -> SharedBlocks.Members {
    var members = SharedBlocks.Members()
    let gaps = try values(&reader, count)
    let counts = try values(&reader, count)
    let repeats = try values(&reader, count)
    let ownCount = repeats.count { $0 == 0 }
    guard gaps[0] == 0, repeats[0] == 0 else { throw impossible(reader) }
    let firsts = try values(&reader, ownCount)
    let spans = try values(&reader, ownCount)
    var (series, rows, own) = (first, 0, -1)
    for member in 0..<count {
      guard (0...Int64(UInt32.max)).contains(gaps[member]),
        counts[member] >= 1, counts[member] <= Int64(rowCount - rows),
        (0...1).contains(repeats[member])
      else { throw impossible(reader) }
      series += Int(gaps[member])
      rows += Int(counts[member])
      if repeats[member] == 0 { own += 1 }
      let isRepeat = repeats[member] == 1
      guard !isRepeat || counts[member] == counts[member - 1],
        counts[member] == 1 ? spans[own] == 0 : spans[own] >= counts[member] - 1,
        !firsts[own].addingReportingOverflow(spans[own]).overflow
      else { throw impossible(reader) }
      members.series.append(series)
      members.counts.append(Int(counts[member]))
      members.firsts.append(firsts[own])
      members.spans.append(spans[own])
      members.repeats.append(isRepeat)
    }
    guard rows == rowCount else { throw impossible(reader) }
    return members
  }

  /// A column of `count` integers behind its byte count.
  private static func values(
    _ reader: inout ByteReader, _ count: Int
  ) throws(StorageError) -> [Int64] {
    let byteCount = try reader.count(limit: reader.remaining)
    let bytes = [UInt8](try reader.take(byteCount))
    return try ColumnSection(bytes, count: count).allSlots()
  }
}
