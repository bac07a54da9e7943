import Synchronization

/// A sealed data segment, open for reading: its index in memory and a reader for each block.
package final class DataSegmentReader: Sendable {
  package let id: UInt64
  package let index: SegmentIndex
  /// One for each of `index.blocks`.
  package let readers: [BlockReader]
  package let types: [ColumnID: ColumnType]
  /// Added to the LSNs of LSN sections; those of `index` have it already.
  package let baseLSN: LSN
  /// Removals up to this LSN have been applied to its rows.
  package let appliedLSN: LSN
  package let byteCount: Int
  /// First block of each series in `index.blocks`, and one past the end.
  package let firstBlock: [Int]
  /// Over all blocks.
  package let firstTime: Int64
  package let lastTime: Int64
  private let sections: SegmentSections

  /// Opens and checks header, trailer and index; sections are checked as they are read.
  /// - Throws: `.io`, `.corrupt`, `.truncated`, `.unsupportedVersion`, naming the file.
  package init(
    _ disk: any Disk, directory: String, store: StoreID, id: UInt64, baseLSN: LSN = 0,
    appliedLSN: LSN = 0, symbols: SymbolTable, cache: BlockCache
  ) throws(StorageError) {
    self.baseLSN = baseLSN
    self.appliedLSN = appliedLSN
    let path = FileNames.path(directory, FileNames.dataSegment(id))
    do throws(StorageError) {
      let file = try disk.open(path, .read)
      sections = SegmentSections(id: id, file: file, cache: cache)
      byteCount = try file.byteCount()
      let tail = try Self.readTail(file, byteCount: byteCount)
      let header = try file.bytes(0..<SegmentFormat.headerByteCount)
      _ = try FileHeader(
        decoding: header, magic: SegmentFormat.magic, version: SegmentFormat.version, store: store,
        id: id)
      index = try SegmentIndex(decoding: tail.index.rawSpan, sectionLimit: tail.sectionEnd)
        .rebased(to: baseLSN)
    } catch {
      var located = error
      located.file = path
      throw located
    }
    self.id = id
    types = Dictionary(
      index.columns.map { ($0.id, $0.type) }, uniquingKeysWith: { first, _ in first })
    readers = Self.readers(index, sections, types, symbols, baseLSN)
    var first = [Int](repeating: index.blocks.count, count: index.series.count + 1)
    for (position, block) in index.blocks.enumerated().reversed() { first[block.series] = position }
    for series in (0..<index.series.count).reversed() { first[series] = min(first[series], first[series + 1]) }
    firstBlock = first
    firstTime = index.blocks.map(\.firstTime).min() ?? .max
    lastTime = index.blocks.map(\.lastTime).max() ?? .min
  }

  /// The same file with `base` added to its LSNs.
  /// - Precondition: `other` has no base yet.
  package init(rebasing other: DataSegmentReader, to base: LSN, symbols: SymbolTable) {
    precondition(other.baseLSN == 0, "rebased once")
    id = other.id
    types = other.types
    byteCount = other.byteCount
    firstBlock = other.firstBlock
    firstTime = other.firstTime
    lastTime = other.lastTime
    sections = other.sections
    baseLSN = base
    appliedLSN = other.appliedLSN
    index = other.index.rebased(to: base)
    readers = Self.readers(index, sections, types, symbols, base)
  }


  package func blocks(ofSeries series: Int) -> ArraySlice<BlockEntry> {
    index.blocks[firstBlock[series]..<firstBlock[series + 1]]
  }

  package func readers(ofSeries series: Int) -> ArraySlice<BlockReader> {
    readers[firstBlock[series]..<firstBlock[series + 1]]
  }

  private static func readers(
    _ index: SegmentIndex, _ sections: SegmentSections, _ types: [ColumnID: ColumnType],
    _ symbols: SymbolTable, _ baseLSN: LSN
  ) -> [BlockReader] {
    index.blocks.map {
      BlockReader(entry: $0, source: sections, types: types, symbols: symbols, baseLSN: baseLSN)
    }
  }

  /// Reads every byte of a segment and checks it.
  /// - Throws: `.corrupt`, `.truncated`, `.io`.
  package static func verify(
    _ file: any DiskFile, store: StoreID, id: UInt64, byteCount: Int
  ) throws(StorageError) {
    let tail = try readTail(file, byteCount: byteCount)
    let header = try file.bytes(0..<SegmentFormat.headerByteCount)
    _ = try FileHeader(
      decoding: header, magic: SegmentFormat.magic, version: SegmentFormat.version, store: store,
      id: id)
    _ = try SegmentIndex(decoding: tail.index.rawSpan, sectionLimit: tail.sectionEnd)
    var crc: UInt32 = 0
    var offset = 0
    while offset < tail.sectionEnd {
      let end = min(offset + (1 << 20), tail.sectionEnd)
      crc = CRC32C.checksum(try file.bytes(offset..<end), continuing: crc)
      offset = end
    }
    guard crc == tail.sectionsCRC else {
      throw StorageError(.corrupt, "sections fail their checksum", file: file.path, offset: 0)
    }
  }

  private static func readTail(
    _ file: any DiskFile, byteCount: Int
  ) throws(StorageError) -> (index: [UInt8], sectionEnd: Int, sectionsCRC: UInt32) {
    let minimum = SegmentFormat.headerByteCount + SegmentFormat.trailerByteCount
    guard byteCount >= minimum else {
      throw StorageError(.truncated, "data segment", file: file.path, offset: byteCount)
    }
    let trailerStart = byteCount - SegmentFormat.trailerByteCount
    let trailer = try file.bytes(trailerStart..<byteCount)
    var reader = ByteReader(trailer.rawSpan)
    let indexOffset = try reader.next(UInt64.self)
    let indexByteCount = try reader.next(UInt64.self)
    let indexCRC = try reader.next(UInt32.self)
    let sectionsCRC = try reader.next(UInt32.self)
    _ = try reader.next(UInt32.self)
    let trailerCRC = try reader.next(UInt32.self)
    guard try reader.next(UInt64.self) == SegmentFormat.trailerMagic,
      trailerCRC == CRC32C.checksum(trailer.rawSpan.extracting(0..<28)),
      indexOffset >= UInt64(SegmentFormat.headerByteCount), indexOffset <= UInt64(trailerStart),
      indexByteCount == UInt64(trailerStart) - indexOffset
    else {
      throw StorageError(
        .corrupt, "trailer fails its check", file: file.path, offset: trailerStart)
    }
    let index = try file.bytes(Int(indexOffset)..<trailerStart)
    guard CRC32C.checksum(index) == indexCRC else {
      throw StorageError(
        .corrupt, "index fails its checksum", file: file.path, offset: Int(indexOffset))
    }
    return (index, Int(indexOffset), sectionsCRC)
  }
}

/// The sections of one file: read with pread when they are asked for, checked, and kept in the
/// block cache.
private final class SegmentSections: SectionSource {
  private let id: UInt64
  private let file: any DiskFile
  private let cache: BlockCache

  init(id: UInt64, file: any DiskFile, cache: BlockCache) {
    self.id = id
    self.file = file
    self.cache = cache
  }

  func bytes(of section: Section) throws(StorageError) -> [UInt8] {
    switch section {
    case .inline(let bytes): return bytes
    case .stored(let offset, let byteCount, let crc):
      if let cached = cache.bytes(segment: id, offset: offset) { return cached }
      let bytes = try file.bytes(offset..<(offset + byteCount))
      guard CRC32C.checksum(bytes) == crc else {
        throw StorageError(
          .corrupt, "section fails its checksum", file: file.path, offset: offset)
      }
      cache.insert(bytes, segment: id, offset: offset)
      return bytes
    }
  }
}

extension SegmentIndex {
  fileprivate func rebased(to base: LSN) -> SegmentIndex {
    var index = self
    for position in index.blocks.indices where base > 0 {
      index.blocks[position].oldestLSN &+= base
      index.blocks[position].newestLSN &+= base
    }
    return index
  }
}

extension DiskFile {
  /// Exactly the bytes of `range`.
  /// - Throws: `.truncated` when the file is shorter, `.io`.
  package func bytes(_ range: Range<Int>) throws(StorageError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: range.count)
    let got = try bytes.read(0..<range.count, from: self, at: range.lowerBound)
    guard got == range.count else {
      throw StorageError(
        .truncated, "file ends early", file: path, offset: range.lowerBound + got)
    }
    return bytes
  }
}
