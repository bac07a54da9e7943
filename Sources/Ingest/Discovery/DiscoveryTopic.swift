/// What a message on a broker's connection topic says about a device (L-10, L-13, L-15): a pure
/// function of topic and payload. `$SYS/broker/connection/b827eb08451e_broker/state` with `1`
/// means that device b827eb08451e has connected.
package enum DiscoveryTopic {
  package static let defaultPrefix = "$SYS/broker/connection"
  /// Device ids are at most a MAC without colons.
  package static let maximumIDLength = 12

  package enum Finding: Equatable, Sendable {
    case connected(deviceID: String)
    case disconnected(deviceID: String)
    /// A retained message that was cleared; it says nothing.
    case cleared(deviceID: String)
    /// To be counted, and nothing else.
    case ignored(Reason)
  }

  package enum Reason: String, Equatable, Sendable, CaseIterable {
    case notAConnectionTopic, notABroker, emptyID, longID, notHex, unknownPayload
  }

  /// The filter to subscribe for `prefix`.
  package static func filter(prefix: String = defaultPrefix) -> String { "\(prefix)/+/state" }

  /// Topics are compared without regard to case (ASCII); the id found is lower case.
  package static func parse(
    topic: String, payload: [UInt8], prefix: String = defaultPrefix
  ) -> Finding {
    let bytes = topic.utf8.map(lowercased)
    let head = (prefix + "/").utf8.map(lowercased)
    let tail = Array("/state".utf8)
    guard bytes.count >= head.count + tail.count, bytes.starts(with: head),
      bytes.suffix(tail.count).elementsEqual(tail),
      case let name = bytes[head.count..<(bytes.count - tail.count)], !name.contains(slash)
    else { return .ignored(.notAConnectionTopic) }
    let mark = Array("_broker".utf8)
    guard name.count >= mark.count, name.suffix(mark.count).elementsEqual(mark) else {
      return .ignored(.notABroker)
    }
    let id = name.dropLast(mark.count)
    guard !id.isEmpty else { return .ignored(.emptyID) }
    guard id.allSatisfy(isHex) else { return .ignored(.notHex) }
    guard id.count <= maximumIDLength else { return .ignored(.longID) }
    let deviceID = String(decoding: id, as: UTF8.self)
    switch payload {
    case [UInt8(ascii: "1")]: return .connected(deviceID: deviceID)
    case [UInt8(ascii: "0")]: return .disconnected(deviceID: deviceID)
    case []: return .cleared(deviceID: deviceID)
    default: return .ignored(.unknownPayload)
    }
  }

  private static let slash = UInt8(ascii: "/")

  private static func lowercased(_ byte: UInt8) -> UInt8 {
    UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte ? byte | 0x20 : byte
  }

  private static func isHex(_ byte: UInt8) -> Bool {
    UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte || UInt8(ascii: "a")...UInt8(ascii: "f") ~= byte
  }
}
