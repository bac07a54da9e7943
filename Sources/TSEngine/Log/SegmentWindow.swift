/// A stretch of a segment held in memory, moved along as a scan goes on.
struct SegmentWindow {
  static let stepByteCount = 1 << 20

  let byteCount: Int
  private let file: any DiskFile
  private var buffer: [UInt8] = []
  private var start = 0
  private var filled = 0
  /// Bytes the disk refused to give; they read as `poison`.
  private(set) var unreadable: [Range<Int>] = []
  private static let poison: UInt8 = 0xA5

  init(_ file: any DiskFile) throws(StorageError) {
    self.file = file
    byteCount = try file.byteCount()
  }

  /// Makes `range` of the file present. Precondition: within the file.
  mutating func load(_ range: Range<Int>) throws(StorageError) {
    precondition(range.lowerBound >= 0 && range.upperBound <= byteCount, "within the file")
    if start <= range.lowerBound && range.upperBound <= start + filled { return }
    let count = min(max(range.count, Self.stepByteCount), byteCount - range.lowerBound)
    if buffer.count < count {
      buffer.appendZeros(count - buffer.count)
    }
    (start, filled) = (range.lowerBound, 0)
    do throws(StorageError) {
      filled = try buffer.read(0..<count, from: file, at: start)
    } catch {
      guard error.code == .io else { throw error }
      filled = try readAround(count)
    }
    guard start + filled >= range.upperBound else {
      throw StorageError(
        .truncated, "the file became shorter", file: file.path, offset: start + filled)
    }
  }

  /// Reads sector by sector; what cannot be read is noted and poisoned.
  private mutating func readAround(_ count: Int) throws(StorageError) -> Int {
    var at = 0
    while at < count {
      let sector = at..<min(count, at + LogFormat.sectorByteCount)
      do throws(StorageError) {
        let got = try buffer.read(sector, from: file, at: start + at)
        if got < sector.count { return at + got }
      } catch {
        guard error.code == .io else { throw error }
        buffer.replaceSubrange(sector, with: repeatElement(Self.poison, count: sector.count))
        unreadable.append((start + at)..<(start + at + sector.count))
      }
      at = sector.upperBound
    }
    return count
  }

  /// Precondition: `range` was loaded last, or lies in what was.
  @_lifetime(borrow self)
  func bytes(_ range: Range<Int>) -> RawSpan {
    precondition(start <= range.lowerBound && range.upperBound <= start + filled, "loaded")
    return buffer.rawSpan.extracting((range.lowerBound - start)..<(range.upperBound - start))
  }

  /// Whether the file holds nothing but zeros from `offset` on.
  mutating func isZero(from offset: Int) throws(StorageError) -> Bool {
    var at = offset
    while at < byteCount {
      let range = at..<min(byteCount, at + LogFormat.sectorByteCount)
      try load(range)
      if !bytes(range).isZero { return false }
      at = range.upperBound
    }
    return true
  }
}
