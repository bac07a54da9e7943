import Testing

@testable import Ingest

/// L-10, L-11, L-13, L-15
@Suite struct DiscoveryTopicTests {
  @Test(
    arguments: [
      (
        "$SYS/broker/connection/b827eb08451e_broker/state", "1",
        .connected(deviceID: "b827eb08451e")
      ),
      (
        "$SYS/broker/connection/b827eb08451e_broker/state", "0",
        .disconnected(deviceID: "b827eb08451e")
      ),
      ("$SYS/broker/connection/b827eb08451e_broker/state", "", .cleared(deviceID: "b827eb08451e")),
      (
        "$sys/BROKER/connection/B827EB08451E_Broker/STATE", "1",
        .connected(deviceID: "b827eb08451e")
      ),
      ("$SYS/broker/connection/0_broker/state", "1", .connected(deviceID: "0")),
      ("$SYS/broker/connection/_broker/state", "1", .ignored(.emptyID)),
      ("$SYS/broker/connection/b827eb08451e/state", "1", .ignored(.notABroker)),
      ("$SYS/broker/connection/b827eb08451e_brokers/state", "1", .ignored(.notABroker)),
      ("$SYS/broker/connection/b827eb08451e0_broker/state", "1", .ignored(.longID)),
      ("$SYS/broker/connection/b827eb08451g_broker/state", "1", .ignored(.notHex)),
      ("$SYS/broker/connection/b827 eb08_broker/state", "1", .ignored(.notHex)),
      ("$SYS/broker/connection/ä_broker/state", "1", .ignored(.notHex)),
      ("$SYS/broker/connection/a/b_broker/state", "1", .ignored(.notAConnectionTopic)),
      ("$SYS/broker/connection/a_broker/status", "1", .ignored(.notAConnectionTopic)),
      ("$SYS/broker/connection//state", "1", .ignored(.notABroker)),
      ("x/$SYS/broker/connection/a_broker/state", "1", .ignored(.notAConnectionTopic)),
      ("", "1", .ignored(.notAConnectionTopic)),
      ("$SYS/broker/connection/a_broker/state", "2", .ignored(.unknownPayload)),
      ("$SYS/broker/connection/a_broker/state", "11", .ignored(.unknownPayload)),
      ("$SYS/broker/connection/a_broker/state", " 1", .ignored(.unknownPayload)),
    ] as [(String, String, DiscoveryTopic.Finding)])
  func onlyABridgeOfAHexIDIsADevice(
    _ topic: String, _ payload: String, _ expected: DiscoveryTopic.Finding
  ) {
    #expect(DiscoveryTopic.parse(topic: topic, payload: Array(payload.utf8)) == expected)
  }

  /// L-15: brokers that refuse publishes to `$SYS` are served under another prefix.
  @Test func thePrefixIsASetting() {
    #expect(DiscoveryTopic.filter() == "$SYS/broker/connection/+/state")
    #expect(DiscoveryTopic.filter(prefix: "lab/conn") == "lab/conn/+/state")
    #expect(
      DiscoveryTopic.parse(topic: "lab/conn/aa_broker/state", payload: [0x31], prefix: "lab/conn")
        == .connected(deviceID: "aa"))
    #expect(
      DiscoveryTopic.parse(
        topic: "$SYS/broker/connection/aa_broker/state", payload: [0x31], prefix: "lab/conn")
        == .ignored(.notAConnectionTopic))
  }
}
