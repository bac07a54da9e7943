import TSEngine

/// The probes of a frame.
extension PowerFrameParser {
  /// Reads `data` and gives the number of probes; their drafts and samples are in the scratch.
  @_lifetime(cursor: copy cursor)
  mutating func data(
    _ cursor: inout JSONCursor, _ draft: inout FrameDraft, depth: Int
  ) throws(Fault) -> Int {
    guard cursor.byte == UInt8(ascii: "[") else { throw cursor.wrongType("a list of probes") }
    cursor.advance()
    cursor.skipSpace()
    guard cursor.byte != UInt8(ascii: "]") else { throw Fault(.missing, "a probe expected") }
    var count = 0
    repeat {
      place.probe = count
      place.key = nil
      guard count < Self.probeLimit else {
        throw Fault(.limit, "more than \(Self.probeLimit) probes")
      }
      try probe(&cursor, &draft, at: count, depth: depth + 1)
      count += 1
      place.probe = -1
      place.enter("data")
    } while try cursor.another(before: UInt8(ascii: "]"))
    for later in 0..<count {
      for earlier in 0..<later where probes[earlier].id == probes[later].id {
        place.probe = later
        place.enter("probe_id")
        throw Fault(.duplicate, "the same probe as data[\(earlier)]")
      }
    }
    return count
  }

  @_lifetime(cursor: copy cursor)
  private mutating func probe(
    _ cursor: inout JSONCursor, _ draft: inout FrameDraft, at index: Int, depth: Int
  ) throws(Fault) {
    cursor.skipSpace()
    guard cursor.byte == UInt8(ascii: "{") else { throw cursor.wrongType("an object") }
    cursor.advance()
    probes[index] = ProbeDraft()
    cursor.skipSpace()
    if cursor.byte == UInt8(ascii: "}") {
      cursor.advance()
    } else {
      repeat {
        try probeMember(&cursor, &draft, at: index, depth: depth)
        place.leave()
      } while try cursor.another(before: UInt8(ascii: "}"))
    }
    try check(index)
  }

  @_lifetime(cursor: copy cursor)
  private mutating func probeMember(
    _ cursor: inout JSONCursor, _ draft: inout FrameDraft, at index: Int, depth: Int
  ) throws(Fault) {
    cursor.skipSpace()
    let name = try cursor.string()
    let key = cursor.resolvedKey(of: name)
    try cursor.expect(UInt8(ascii: ":"), "':' expected")
    cursor.skipSpace()
    switch key {
    case keys.power:
      place.enter("power")
      guard probes[index].powerCount == nil else { throw Self.twice }
      probes[index].powerCount = try samples(&cursor, power, slot: index * 3)
    case keys.pf, keys.powerFactor:
      place.enter(key == keys.pf ? "pf" : "powerfactor")
      guard probes[index].pfCount == nil else { throw Self.twice }
      probes[index].pfCount = try samples(&cursor, pf, slot: index * 3 + 1)
    case keys.voltage:
      place.enter("voltage")
      guard probes[index].voltageCount == nil else { throw Self.twice }
      if cursor.byte == UInt8(ascii: "[") {
        probes[index].voltageCount = try samples(&cursor, voltage, slot: index * 3 + 2)
      } else {
        let slot = (index * 3 + 2) * Self.maximumSamples
        scratch[slot] = try Self.sample(&cursor, voltage)
        probes[index].voltageCount = ProbeDraft.scalar
      }
    case keys.probeID, keys.probe:
      place.enter(key == keys.probeID ? "probe_id" : "probe")
      guard probes[index].id == nil else { throw Self.twice }
      probes[index].id = try probeID(&cursor)
    case keys.probeType, keys.probeTypeCamel:
      place.enter(key == keys.probeType ? "probe_type" : "probeType")
      guard probes[index].type == nil else { throw Self.twice }
      switch cursor.resolvedKey(of: try cursor.string()) {
      case keys.ct: probes[index].type = ctCode
      case keys.rogowski: probes[index].type = rogowskiCode
      default: throw Fault(.unknown, "\"CT\" or \"rogow_coil\" expected")
      }
    default:
      try unknownMember(name, &cursor, &draft, depth: depth)
    }
  }

  @_lifetime(cursor: copy cursor)
  private func probeID(_ cursor: inout JSONCursor) throws(Fault) -> Int32 {
    let unknown = Fault(.unknown, "probe 1, 2 or 3, or \"A\", \"B\" or \"C\", expected")
    if let id = cursor.shortInteger() {
      guard 1...3 ~= id else { throw unknown }
      return Int32(truncatingIfNeeded: id)
    }
    if cursor.byte == UInt8(ascii: "\"") {
      switch cursor.text(of: try cursor.string()) {
      case "A": return 1
      case "B": return 2
      case "C": return 3
      default: throw unknown
      }
    }
    guard let id = try cursor.number().scaled(), 1...3 ~= id else { throw unknown }
    return Int32(truncatingIfNeeded: id)
  }

  /// What a probe must have once it is read as a whole.
  private mutating func check(_ index: Int) throws(Fault) {
    if probes[index].id == nil { probes[index].id = Int32(truncatingIfNeeded: index + 1) }
    guard let count = probes[index].powerCount else { throw missing("power") }
    guard let pfCount = probes[index].pfCount else { throw missing("pf") }
    guard let voltageCount = probes[index].voltageCount else { throw missing("voltage") }
    if pfCount != count {
      place.enter("pf")
      throw Fault(.form, "\(pfCount) values beside \(count) of power")
    }
    if voltageCount != count, voltageCount != ProbeDraft.scalar {
      place.enter("voltage")
      throw Fault(.form, "\(voltageCount) values beside \(count) of power")
    }
  }

  mutating func missing(_ key: StaticString) -> Fault {
    place.enter(key)
    return Fault(.missing, "missing")
  }
}

// MARK: - Samples

extension PowerFrameParser {
  /// Reads a list of samples into list `slot` of the scratch and gives its length.
  @_lifetime(cursor: copy cursor)
  private mutating func samples(
    _ cursor: inout JSONCursor, _ column: Column, slot: Int
  ) throws(Fault) -> Int {
    var count = 0
    var fault: Fault?
    do {
      let start = slot * Self.maximumSamples
      var slots = scratch.mutableSpan
      do throws(Fault) {
        try Self.list(&cursor, column, into: &slots, from: start, count: &count)
      } catch { fault = error }
    }
    if let fault {
      if fault.kind != .limit, fault.kind != .missing { place.element = count }
      throw fault
    }
    return count
  }

  /// Fills `slots` from `start` on; on a fault `count` is the position of the value at fault.
  /// Cursor and count are local copies, so that the loop keeps them in registers; after a fault
  /// nobody reads on.
  @_lifetime(shared: copy shared)
  @_lifetime(slots: copy slots)
  private static func list(
    _ shared: inout JSONCursor, _ column: Column, into slots: inout MutableSpan<Int64>,
    from start: Int, count: inout Int
  ) throws(Fault) {
    var cursor = shared
    var filled = 0
    defer { count = filled }
    guard cursor.byte == UInt8(ascii: "[") else {
      filled = -1
      throw cursor.wrongType("a list")
    }
    cursor.advance()
    cursor.skipSpace()
    guard cursor.byte != UInt8(ascii: "]") else { throw Fault(.missing, "an empty list") }
    while true {
      let value = try sample(&cursor, column)
      guard filled < maximumSamples else {
        throw Fault(.limit, "more than \(maximumSamples) values")
      }
      slots[start &+ filled] = value
      filled &+= 1
      if cursor.byte == UInt8(ascii: ",") {
        cursor.advance()
        cursor.skipSpace()
      } else if try cursor.another(before: UInt8(ascii: "]")) {
        cursor.skipSpace()
      } else {
        shared = cursor
        return
      }
    }
  }

  /// One number as it is stored.
  @_lifetime(cursor: copy cursor)
  @inline(__always) private static func sample(
    _ cursor: inout JSONCursor, _ column: Column
  ) throws(Fault) -> Int64 {
    if column.factor == .one, let short = cursor.shortInteger() {
      guard column.range.contains(short) else { throw doesNotFit }
      return short
    }
    return try anySample(&cursor, column)
  }

  @_lifetime(cursor: copy cursor)
  @inline(never) private static func anySample(
    _ cursor: inout JSONCursor, _ column: Column
  ) throws(Fault) -> Int64 {
    let factor = column.factor
    guard let value = try cursor.number().scaled(by: factor.numerator, over: factor.denominator),
      column.range.contains(value)
    else { throw doesNotFit }
    return value
  }

  private static var doesNotFit: Fault {
    Fault(.range, "a number that the column cannot hold exactly")
  }
}
