import TSEngine

/// Writes the data set as NumPy arrays (format version 1.0), for peers to load.
package enum ArrayFile {
  /// An int32 array of shape (sensors, probes, ticks).
  package static func write(
    _ series: [[Int32]], sensors: Int, to path: String
  ) throws(StorageError) {
    let ticks = series.first?.count ?? 0
    var header =
      "{'descr': '<i4', 'fortran_order': False, 'shape': (\(sensors), \(MeterData.probes), \(ticks)), }"
    let fixed = 10
    header += String(repeating: " ", count: 63 - (fixed + header.utf8.count) % 64) + "\n"
    var out = ByteWriter(reserving: fixed + header.utf8.count)
    out.append([0x93] + Array("NUMPY".utf8) + [1, 0])
    out.put(UInt16(header.utf8.count))
    out.append(Array(header.utf8))
    let disk = PosixDisk()
    let file = try disk.open(path, .create)
    defer { file.close() }
    try file.write(out.bytes.rawSpan, at: 0)
    var offset = out.count
    for values in series {
      var part = ByteWriter(reserving: values.count * 4)
      for value in values { part.put(value) }
      try file.write(part.bytes.rawSpan, at: offset)
      offset += part.count
    }
  }
}
