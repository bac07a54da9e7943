import TSEngine

/// Gathers rows by series until there are enough for a chunk; memory is bounded by rows in all.
struct SeriesBuffers {
  /// A row's values in the order of the file's columns; bit i of the mask is set where column i
  /// has one. So at most 64 columns.
  private struct Buffer {
    var device: Int
    var probe: Int32
    var times: [Int64] = []
    var values: [Int64] = []
    var masks: [UInt64] = []
    var texts: [TextHold] = []
  }
  private struct Device {
    var id: String
    var series: [(probe: Int32, buffer: Int)] = []
  }

  static let chunkRows = 65_536
  static let totalRows = 1_000_000

  private let columns: [ColumnID]
  private var buffers: [Buffer] = []
  private var devices: [Device] = []
  private var deviceNumbers: [String: Int] = [:]
  private var bufferedRows = 0

  init(columns: [ColumnID]) {
    precondition(columns.count <= 64, "a mask has 64 bits")
    self.columns = columns
  }

  /// The number of a device, given when it is new.
  mutating func number(ofDevice id: String) -> Int {
    if let number = deviceNumbers[id] { return number }
    devices.append(Device(id: id))
    deviceNumbers[id] = devices.count - 1
    return devices.count - 1
  }

  /// Adds a row; chunks that are ready come back through `deliver`.
  @inline(__always) mutating func append(
    device: Int, probe: Int32, time: Int64, values: borrowing [Int64], mask: UInt64,
    texts: ImportTexts,
    _ deliver: (ImportChunk) throws(ImportError) -> Void
  ) throws(ImportError) {
    let index = buffer(device, probe)
    buffers[index].times.append(time)
    buffers[index].masks.append(mask)
    if !texts.holds.isEmpty { buffers[index].texts.keep(texts.holds) }
    for value in 0..<columns.count { buffers[index].values.append(values[value]) }
    bufferedRows += 1
    if buffers[index].times.count >= Self.chunkRows {
      try flush(index, deliver)
    } else if bufferedRows >= Self.totalRows {
      try flushAll(deliver)
    }
  }

  private mutating func buffer(_ device: Int, _ probe: Int32) -> Int {
    for series in devices[device].series where series.probe == probe { return series.buffer }
    buffers.append(Buffer(device: device, probe: probe))
    devices[device].series.append((probe, buffers.count - 1))
    return buffers.count - 1
  }

  mutating func flushAll(_ deliver: (ImportChunk) throws(ImportError) -> Void) throws(ImportError) {
    for index in buffers.indices { try flush(index, deliver) }
  }

  /// Rows in order of time; of rows at one instant each goes to a chunk after the one before it,
  /// so that the store sees them in the order of the file.
  private mutating func flush(
    _ index: Int, _ deliver: (ImportChunk) throws(ImportError) -> Void
  ) throws(ImportError) {
    let buffer = buffers[index]
    guard !buffer.times.isEmpty else { return }
    buffers[index].times.removeAll(keepingCapacity: true)
    buffers[index].values.removeAll(keepingCapacity: true)
    buffers[index].masks.removeAll(keepingCapacity: true)
    buffers[index].texts.removeAll()
    bufferedRows -= buffer.times.count
    let times = buffer.times
    let increasing = times.indices.dropFirst().allSatisfy { times[$0 - 1] < times[$0] }
    if increasing { return try deliver(chunk(of: buffer, rows: Array(times.indices))) }
    var rows = times.indices.sorted { (times[$0], $0) < (times[$1], $1) }
    while !rows.isEmpty {
      var (first, later): ([Int], [Int]) = ([], [])
      for row in rows {
        if let last = first.last, times[last] == times[row] {
          later.append(row)
        } else {
          first.append(row)
        }
      }
      try deliver(chunk(of: buffer, rows: first))
      rows = later
    }
  }

  private func chunk(of buffer: Buffer, rows: [Int]) -> ImportChunk {
    var result: [ImportChunk.Column] = []
    for (position, id) in columns.enumerated() {
      let bit = UInt64(1) << UInt64(position)
      let present = rows.reduce(0) { $0 + (buffer.masks[$1] & bit != 0 ? 1 : 0) }
      guard present > 0 else { continue }
      result.append(
        ImportChunk.Column(
          id: id,
          slots: rows.map { row in
            buffer.masks[row] & bit != 0 ? buffer.values[row * columns.count + position] : 0
          },
          validity: present == rows.count ? [] : rows.map { buffer.masks[$0] & bit != 0 }))
    }
    return ImportChunk(
      device: devices[buffer.device].id, probe: buffer.probe,
      times: rows.map { buffer.times[$0] }, columns: result, texts: buffer.texts)
  }
}
