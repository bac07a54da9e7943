/// Numbers of the series checkpoint (FORMAT.md, section 16).
///
///     | file header, 64 B | segments chunk | series chunk … | end chunk |
enum SeriesCheckpointFormat {
  /// `tsqseri1`, little-endian.
  static let magic: UInt64 = 0x3169_7265_7371_7374
  static let version: UInt16 = 1

  enum Kind: UInt8 {
    case segments = 1, series = 2, end = 3
  }

  /// Devices of one series chunk, at most; fewer where they have many runs.
  static let chunkDevices = 2_048
  static let chunkRuns = 1 << 15
  /// What a reader believes: a count above is damage.
  static let countLimit = 1 << 24

  /// What a segment is told by beside its number, which a later one may have again.
  static func identity(_ meta: Manifest.DataSegment) -> UInt32 {
    var edit = ByteWriter()
    ManifestEdit.addData(meta).encode(into: &edit)
    return CRC32C.checksum(edit.bytes)
  }
}
