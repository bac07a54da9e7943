/// The body of `MeterValues` (P-22) as the frames it means, for the one reader of frames:
/// `{"connectorId":1,"transactionId":n,"meterValue":[{"timestamp":…,"sampledValue":[probe × 3]}]}`.
/// What stands beside `meterValue` goes along with each frame, as a key that the reader does not know.
package enum MeterValues {
  /// Frames in one message, at most.
  static let frameLimit = 1_000
  /// Bytes beside `meterValue`, at most: they go along with each frame.
  static let besideByteLimit = 4_096
  /// Keys of a frame that nothing beside `meterValue` may pass for.
  private static let reserved: Set<String> = ["sensor_id", "timestamp", "data", "version", "token"]

  /// A list of frames of `sensor`, as `POST /powermon/data` takes them.
  package static func frames(_ body: String, of sensor: String) throws(FrameError) -> [UInt8] {
    var reader = Reader()
    let bytes = Array(body.utf8)
    let span = bytes.span
    do throws(Fault) {
      // SAFETY: `span` borrows `bytes`, which live to the end of this call.
      return Array(try reader.frames(unsafe span.bytes, of: sensor).utf8)
    } catch {
      throw FrameError(path: reader.path, reason: error.reason, kind: error.kind)
    }
  }

  /// The place that a fault of the frames' reader has in the body.
  package static func path(ofFramePath path: String) -> String {
    guard path.hasPrefix("["), let end = path.firstIndex(of: "]") else { return path }
    var rest = path[path.index(after: end)...]
    var inner = ""
    if rest.hasPrefix(".data") {
      rest = rest.dropFirst(5)
      inner = ".sampledValue"
    }
    return "meterValue\(path[...end])\(inner)\(rest)"
  }

  private struct Reader {
    var path = ""

    mutating func frames(_ bytes: RawSpan, of sensor: String) throws(Fault) -> String {
      var cursor = JSONCursor(bytes)
      var values: [(timestamp: String, data: String)]?
      var beside = ""
      let members = try object(&cursor)
      for member in members {
        path = member.key
        if member.key == "meterValue" {
          var inner = JSONCursor(cursor.slice(member.value))
          values = try list(&inner)
        } else if !MeterValues.reserved.contains(member.key) {
          guard beside.utf8.count + member.value.count <= MeterValues.besideByteLimit else {
            throw Fault(.limit, "more than \(MeterValues.besideByteLimit) bytes beside meterValue")
          }
          beside += ",\(member.quotedKey):\(cursor.text(in: member.value))"
        } else {
          throw Fault(.unknown, "a key that a frame has, and this has not")
        }
      }
      path = "meterValue"
      guard let values else { throw Fault(.missing, "it must be there") }
      return "["
        + values.map { #"{"sensor_id":"\#(sensor)","timestamp":\#($0.timestamp),"data":\#($0.data)\#(beside)}"# }
        .joined(separator: ",") + "]"
    }

    @_lifetime(cursor: copy cursor)
    private mutating func list(_ cursor: inout JSONCursor) throws(Fault) -> [(timestamp: String, data: String)] {
      guard cursor.byte == UInt8(ascii: "[") else { throw cursor.wrongType("a list") }
      cursor.advance()
      cursor.skipSpace()
      guard cursor.byte != UInt8(ascii: "]") else { throw Fault(.missing, "an empty list holds no values") }
      var values: [(timestamp: String, data: String)] = []
      repeat {
        path = "meterValue[\(values.count)]"
        guard values.count < MeterValues.frameLimit else { throw Fault(.limit, "more than \(MeterValues.frameLimit)") }
        var (timestamp, data) = (String?.none, String?.none)
        for member in try object(&cursor) {
          switch member.key {
          case "timestamp": timestamp = cursor.text(in: member.value)
          case "sampledValue": data = cursor.text(in: member.value)
          default: break
          }
        }
        guard let timestamp else { throw Fault(.missing, "timestamp must be there") }
        guard let data else { throw Fault(.missing, "sampledValue must be there") }
        values.append((timestamp, data))
      } while try cursor.another(before: UInt8(ascii: "]"))
      return values
    }

    private struct Member {
      var key: String
      var quotedKey: String
      var value: Range<Int>
    }

    /// The members of the object at the cursor; no key twice.
    @_lifetime(cursor: copy cursor)
    private mutating func object(_ cursor: inout JSONCursor) throws(Fault) -> [Member] {
      cursor.skipSpace()
      guard cursor.byte == UInt8(ascii: "{") else { throw cursor.wrongType("an object") }
      let start = cursor.offset
      let whole = try cursor.skipValue(depth: 1)
      var inner = JSONCursor(cursor.slice(whole))
      inner.advance()
      inner.skipSpace()
      if inner.byte == UInt8(ascii: "}") { return [] }
      var members: [Member] = []
      repeat {
        inner.skipSpace()
        let key = try inner.string()
        try inner.expect(UInt8(ascii: ":"), "':' expected")
        let value = try inner.skipValue(depth: 2)
        members.append(
          Member(
            key: inner.text(of: key), quotedKey: inner.text(in: key.range.lowerBound - 1..<key.range.upperBound + 1),
            value: start + value.lowerBound..<start + value.upperBound))
      } while try inner.another(before: UInt8(ascii: "}"))
      return members
    }
  }
}
