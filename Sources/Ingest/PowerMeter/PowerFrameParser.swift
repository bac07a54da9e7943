import TSEngine

/// Turns the bytes of a power meter's request, one frame or an array of them, into a `FrameBatch`
/// of the table `power`, all or nothing.
///
/// One pass over the bytes. Samples go straight into flat scratch which the parser keeps, so a
/// value costs no allocation; a path is spelt only for the first error. What it decides where the
/// contract leaves a choice:
/// - `sensor_id`, `timestamp`, `data`, and of each probe `power`, `pf` and `voltage` must be
///   there; `version` and `probe_type` may be absent and are then null.
/// - A timestamp may have a fraction (`1788820998.37`); it is exact to the nanosecond or refused.
/// - A number is what it is worth: `230.0` and `23e1` are the integer 230, `230.5` is refused
///   unless the wire scale makes it a whole number.
/// - A probe id twice in one frame is refused; two frames of one tick in an array are what they
///   would be in two requests.
package struct PowerFrameParser: Sendable {
  /// Samples in one list, at most (P-04).
  package static let maximumSamples = 1_000
  static let probeLimit = 3
  static let spanNanos: Int64 = 1_000_000_000
  package static let maximumIDLength = 64
  static let maximumTokenLength = 256

  struct Column: Sendable {
    var id: ColumnID
    var range: ClosedRange<Int64>
    var factor: WireFactor
  }
  package let scales: PowerWireScales
  let power: Column
  let pf: Column
  let voltage: Column
  let span: ColumnID
  let voltageSpan: ColumnID
  let probeType: ColumnID
  let versionColumn: ColumnID
  let keys = PowerKeys()
  let ctCode: Int64
  let rogowskiCode: Int64
  let symbols: SymbolTable

  var place = FramePlace()
  var probes = [ProbeDraft](repeating: ProbeDraft(), count: Self.probeLimit)
  /// Three lists of `maximumSamples` slots for each probe: power, pf, voltage.
  var scratch = [Int64](repeating: 0, count: Self.probeLimit * 3 * Self.maximumSamples)
  var spans = [Int64](repeating: 0, count: Self.maximumSamples)
  /// Frames of one fleet share a version: its code is looked up when it changes.
  var lastVersion: (text: String, code: Int64)?
  var lastTimestamp: String?

  package init(scales: PowerWireScales = PowerWireScales(), symbols: SymbolTable) {
    let schema = TableSchema.power
    func column(_ name: String, _ factor: WireFactor) -> Column {
      let column = schema.columns.first { $0.name == name }
      precondition(column != nil, "the built-in table has its columns")
      return Column(
        id: column?.id ?? 0,
        range: (column?.minimum ?? .min)...(column?.maximum ?? .max), factor: factor)
    }
    self.scales = scales
    power = column("power", scales.power)
    pf = column("pf", scales.pf)
    voltage = column("voltage", scales.voltage)
    span = column("span", .one).id
    voltageSpan = column("voltage_span", .one).id
    probeType = column("probe_type", .one).id
    versionColumn = column("version", .one).id
    self.symbols = symbols
    ctCode = symbols.code(of: "CT")
    rogowskiCode = symbols.code(of: "rogow_coil")
  }

  /// Appends the frames of one request to `batch` and, one for each, what they say beside their
  /// samples to `infos`. On an error both are as they were before.
  /// Precondition: `batch` is of the table `power`.
  package mutating func parse(
    _ bytes: RawSpan, into batch: inout FrameBatch, infos: inout [FrameInfo]
  ) throws(FrameError) {
    precondition(batch.table == TableSchema.power.id, "a batch of the power table")
    place = FramePlace()
    lastTimestamp = nil
    let (mark, infoCount) = (batch.mark, infos.count)
    var cursor = JSONCursor(bytes)
    do throws(Fault) {
      try request(&cursor, &batch, &infos)
    } catch {
      batch.rollBack(to: mark)
      infos.removeLast(infos.count - infoCount)
      throw FrameError(
        path: place.path, reason: error.reason, kind: error.kind, timestamp: lastTimestamp)
    }
  }

  package mutating func parse(
    _ bytes: [UInt8], into batch: inout FrameBatch, infos: inout [FrameInfo]
  ) throws(FrameError) {
    let span = bytes.span
    // SAFETY: `span` borrows `bytes`, which live to the end of this call.
    try unsafe parse(span.bytes, into: &batch, infos: &infos)
  }

  @_lifetime(cursor: copy cursor)
  private mutating func request(
    _ cursor: inout JSONCursor, _ batch: inout FrameBatch, _ infos: inout [FrameInfo]
  ) throws(Fault) {
    cursor.skipSpace()
    if cursor.byte == UInt8(ascii: "[") {
      cursor.advance()
      cursor.skipSpace()
      guard cursor.byte != UInt8(ascii: "]") else {
        throw Fault(.missing, "an empty list holds no frame")
      }
      repeat {
        place.frame += 1
        lastTimestamp = nil
        try frame(&cursor, depth: 2, &batch, &infos)
      } while try cursor.another(before: UInt8(ascii: "]"))
      place.frame = -1
    } else {
      try frame(&cursor, depth: 1, &batch, &infos)
    }
    cursor.skipSpace()
    guard cursor.isAtEnd else { throw cursor.syntax("the end expected") }
  }

  @_lifetime(cursor: copy cursor)
  private mutating func frame(
    _ cursor: inout JSONCursor, depth: Int, _ batch: inout FrameBatch, _ infos: inout [FrameInfo]
  ) throws(Fault) {
    cursor.skipSpace()
    guard cursor.byte == UInt8(ascii: "{") else { throw cursor.wrongType("an object") }
    cursor.advance()
    var draft = FrameDraft()
    cursor.skipSpace()
    if cursor.byte == UInt8(ascii: "}") {
      cursor.advance()
    } else {
      repeat {
        try member(&cursor, &draft, depth: depth)
        place.leave()
      } while try cursor.another(before: UInt8(ascii: "}"))
    }
    try finish(draft, cursor, &batch, &infos)
  }

  @_lifetime(cursor: copy cursor)
  private mutating func member(
    _ cursor: inout JSONCursor, _ draft: inout FrameDraft, depth: Int
  ) throws(Fault) {
    cursor.skipSpace()
    let name = try cursor.string()
    let key = cursor.resolvedKey(of: name)
    try cursor.expect(UInt8(ascii: ":"), "':' expected")
    cursor.skipSpace()
    switch key {
    case keys.data:
      place.enter("data")
      guard draft.probeCount == nil else { throw Self.twice }
      draft.probeCount = try data(&cursor, &draft, depth: depth + 1)
    case keys.timestamp:
      place.enter("timestamp")
      guard !draft.hasTimestamp else { throw Self.twice }
      try timestamp(&cursor, &draft)
    case keys.sensorID:
      place.enter("sensor_id")
      guard draft.sensorID == nil else { throw Self.twice }
      draft.sensorID = try sensorID(&cursor)
    case keys.version:
      place.enter("version")
      guard draft.version == nil else { throw Self.twice }
      draft.version = try text(&cursor, limit: Self.maximumIDLength)
    case keys.token:
      place.enter("token")
      guard draft.token == nil else { throw Self.twice }
      draft.token = try text(&cursor, limit: Self.maximumTokenLength)
    default:
      try unknownMember(name, &cursor, &draft, depth: depth)
    }
  }

  /// Letters, then six digits: how power meters are called.
  package static func isSensorID(_ text: String) -> Bool {
    let utf8 = text.utf8
    guard (7...maximumIDLength).contains(utf8.count) else { return false }
    return utf8.enumerated().allSatisfy { index, byte in
      index < utf8.count - 6
        ? UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte | 0x20 : UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte
    }
  }

  static var twice: Fault { Fault(.duplicate, "given twice") }
}

// MARK: - Fields of the frame

extension PowerFrameParser {
  @_lifetime(cursor: copy cursor)
  private func text(_ cursor: inout JSONCursor, limit: Int) throws(Fault) -> JSONString {
    let string = try cursor.string()
    // Only what is long in bytes can be long in characters.
    guard string.range.count <= limit || cursor.text(of: string).unicodeScalars.count <= limit
    else { throw Fault(.form, "longer than \(limit) characters") }
    return string
  }

  /// Letters, then six digits.
  @_lifetime(cursor: copy cursor)
  private func sensorID(_ cursor: inout JSONCursor) throws(Fault) -> JSONString {
    let string = try text(&cursor, limit: Self.maximumIDLength)
    let letters = string.range.count - 6
    var wellFormed = letters > 0 && !string.hasEscapes
    if wellFormed {
      for (position, index) in string.range.enumerated() {
        let byte = cursor.byte(at: index)
        let digit = UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte
        let letter = UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte | 0x20
        wellFormed = wellFormed && (position < letters ? letter : digit)
      }
    }
    guard wellFormed else { throw Fault(.form, "letters and six digits expected") }
    return string
  }

  @_lifetime(cursor: copy cursor)
  private mutating func timestamp(
    _ cursor: inout JSONCursor, _ draft: inout FrameDraft
  ) throws(Fault) {
    let start = cursor.offset
    if cursor.byte == UInt8(ascii: "\"") {
      let string = try cursor.string()
      draft.startNanos = try Instant.iso8601(cursor.slice(string.range))
    } else {
      let number = try cursor.number()
      let unit = Instant.unit(ofMagnitude: number)
      guard unit == .seconds || unit == .millis, let nanos = Instant.nanos(number, unit) else {
        throw Fault(.range, "seconds or milliseconds since 1970 expected")
      }
      draft.startNanos = nanos
    }
    draft.hasTimestamp = true
    lastTimestamp = cursor.text(in: start..<cursor.offset)
  }

  /// Takes a member nobody knows, of the frame or of the probe at `place`.
  @_lifetime(cursor: copy cursor)
  mutating func unknownMember(
    _ name: JSONString, _ cursor: inout JSONCursor, _ draft: inout FrameDraft, depth: Int
  ) throws(Fault) {
    let hash = cursor.keyHash(of: name)
    let probe = place.probe
    do throws(Fault) {
      guard !draft.unknown.contains(where: { $0.probe == probe && $0.keyHash == hash })
      else { throw Self.twice }
      guard draft.unknown.count < JSONCursor.maximumUnknownMembers else {
        throw Fault(.limit, "more than \(JSONCursor.maximumUnknownMembers) unknown keys")
      }
      let value = try cursor.skipValue(depth: depth)
      draft.unknown.append(
        UnknownMember(probe: probe, key: name, keyHash: hash, value: value))
    } catch {
      place.unknownKey = String(cursor.text(of: name).prefix(Self.maximumIDLength))
      throw error
    }
  }
}

extension JSONCursor {
  /// As `shortKey`, but sees through escapes.
  @inline(__always) func resolvedKey(of string: JSONString) -> ShortKey? {
    if !string.hasEscapes { return shortKey(of: string) }
    return ShortKey(text(of: string).utf8)
  }
}
