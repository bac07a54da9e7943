/// Where in a request the parser stands; a path is only spelt when something is wrong there.
struct FramePlace {
  /// Position in the array of frames, −1 for a single object.
  var frame = -1
  /// Position in `data`, −1 outside.
  var probe = -1
  var key: StaticString?
  /// A key that is not one of ours.
  var unknownKey: String?
  /// Position in a list of samples, −1 outside.
  var element = -1

  var path: String {
    var path = frame >= 0 ? "[\(frame)]" : ""
    var keys: [String] = []
    if probe >= 0 { keys.append("data[\(probe)]") }
    if let unknownKey { keys.append(unknownKey) } else if let key { keys.append("\(key)") }
    if !keys.isEmpty {
      if !path.isEmpty { path += "." }
      path += keys.joined(separator: ".")
    }
    if element >= 0 { path += "[\(element)]" }
    return path
  }

  @inline(__always) mutating func enter(_ name: StaticString) {
    key = name
    unknownKey = nil
    element = -1
  }

  @inline(__always) mutating func leave() {
    key = nil
    unknownKey = nil
    element = -1
  }
}

/// A member nobody knows: kept as it was written.
struct UnknownMember {
  /// Position of its probe in `data`, −1 for a member of the frame.
  var probe: Int
  var key: JSONString
  var keyHash: UInt64
  var value: Range<Int>
}

/// A frame while it is read; keys come in any order.
struct FrameDraft {
  var sensorID: JSONString?
  var version: JSONString?
  var token: JSONString?
  var hasTimestamp = false
  var startNanos: Int64 = 0
  /// Probes read; nil before `data`.
  var probeCount: Int?
  var unknown: [UnknownMember] = []
}

/// A probe while it is read; its samples lie in the parser's scratch.
struct ProbeDraft {
  var id: Int32?
  /// Code of the probe type's symbol.
  var type: Int64?
  var powerCount: Int?
  var pfCount: Int?
  /// As `powerCount`, or `scalar` for one reading of the whole second.
  var voltageCount: Int?
  static let scalar = 0
}

/// The keys of the contract and the other names they are accepted under.
struct PowerKeys: Sendable {
  let version = ShortKey("version")
  let sensorID = ShortKey("sensor_id")
  let token = ShortKey("token")
  let timestamp = ShortKey("timestamp")
  let data = ShortKey("data")
  let probeID = ShortKey("probe_id")
  let probe = ShortKey("probe")
  let probeType = ShortKey("probe_type")
  let probeTypeCamel = ShortKey("probeType")
  let power = ShortKey("power")
  let pf = ShortKey("pf")
  let powerFactor = ShortKey("powerfactor")
  let voltage = ShortKey("voltage")
  /// The probe types.
  let ct = ShortKey("CT")
  let rogowski = ShortKey("rogow_coil")
}
