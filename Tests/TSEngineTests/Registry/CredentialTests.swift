import Testing

@testable import TSEngine

@Suite struct CredentialTests {
  private let minute: Int64 = 60_000_000_000

  private func secrets(_ byte: UInt8) -> DeviceSecrets {
    DeviceSecrets(passwordHash: "$7$1$s$\(byte)", apiKeyHMAC: Array(repeating: byte, count: 32))
  }

  private func keys(_ registry: Registry, at now: Int64) -> [UInt8] {
    (1...9).filter { registry.credentials.device(apiKeyHMAC: secrets($0).apiKeyHMAC, at: now) == "ws-1" }
  }

  @Test("D-14: new credentials replace the old at once; with an overlap these last that long and never longer")
  func rotation() throws {
    var ledger = Ledger()
    ledger.decide { $0.createDevice("ws-1", type: "power", $1) }
    func issue(_ byte: UInt8, overlap: Int64 = 0) -> Result<String, Refusal> {
      ledger.decide { $0.issueCredentials(of: "ws-1", secrets(byte), overlapNanos: overlap, $1) }
    }
    #expect(issue(1).success == "tsq-powerdevice-ws-1")
    #expect(issue(2).success != nil)
    #expect(keys(ledger.registry, at: ledger.now) == [2])
    #expect(issue(3, overlap: 10 * minute).success != nil)
    let end = ledger.now + 10 * minute
    #expect(keys(ledger.registry, at: end - 1) == [2, 3])
    #expect(keys(ledger.registry, at: end) == [3])
    // A second overlap does not give the first secrets more time, and a shorter one takes of it.
    ledger.now += minute
    #expect(issue(4, overlap: 20 * minute).success != nil)
    #expect(keys(ledger.registry, at: end - 1) == [2, 3, 4])
    #expect(keys(ledger.registry, at: end) == [3, 4])
    #expect(issue(5, overlap: minute).success != nil)
    #expect(keys(ledger.registry, at: ledger.now + minute - 1) == [2, 3, 4, 5])
    #expect(keys(ledger.registry, at: ledger.now + minute) == [5])
    #expect(issue(6).success != nil)
    #expect(keys(ledger.registry, at: ledger.now) == [6])
    let entry = try #require(ledger.registry.credentials[username: "tsq-powerdevice-ws-1"])
    #expect(entry.valid(at: ledger.now) == [secrets(6)] && entry.issuedAt == ledger.now)
    #expect(ledger.registry.credentials[username: "tsq-powerdevice-ws-2"] == nil)
    #expect(ledger.registry.credentials[username: "tsq-otherdevice-ws-1"] == nil)
  }

  @Test("D-14: revoked or deleted, a device has no credentials; it may be given new ones")
  func revocation() {
    var ledger = Ledger()
    ledger.decide { $0.createDevice("ws-1", type: "power", $1) }
    #expect(ledger.decide { $0.revokeCredentials(of: "ws-1", $1) }.failure == .unknownCredentials)
    for byte in 1...2 as ClosedRange<UInt8> {
      ledger.decide { $0.issueCredentials(of: "ws-1", secrets(byte), overlapNanos: minute, $1) }
    }
    #expect(keys(ledger.registry, at: ledger.now) == [1, 2])
    #expect(ledger.decide { $0.revokeCredentials(of: "ws-1", $1) }.success != nil)
    #expect(ledger.registry.credentials["ws-1"] == nil && keys(ledger.registry, at: ledger.now).isEmpty)
    ledger.decide { $0.issueCredentials(of: "ws-1", secrets(3), $1) }
    #expect(ledger.decide { $0.deleteDevice("ws-1", $1) }.success?.credentials == 1)
    ledger.decide { $0.createDevice("ws-1", type: "power", $1) }
    #expect(ledger.registry.credentials.isEmpty && keys(ledger.registry, at: ledger.now).isEmpty)
  }

  @Test("D-14: a user name over 128 is refused, as are unknown devices and secrets in the clear")
  func refusals() {
    var ledger = Ledger()
    func issue(_ device: String, _ secrets: DeviceSecrets, _ overlap: Int64 = 0) -> Refusal? {
      ledger.decide { $0.issueCredentials(of: device, secrets, overlapNanos: overlap, $1) }.failure
    }
    let prefix = "tsq-powerdevice-".utf8.count
    let (fits, long) = (String(repeating: "d", count: 128 - prefix), String(repeating: "e", count: 129 - prefix))
    for id in [fits, long] { ledger.decide { $0.createDevice(id, type: "power", $1) } }
    #expect(issue(fits, secrets(1)) == nil)
    #expect(issue(long, secrets(1)) == .longUsername)
    #expect(issue("nobody", secrets(1)) == .unknownDevice)
    #expect(issue(fits, DeviceSecrets(passwordHash: "plain", apiKeyHMAC: secrets(1).apiKeyHMAC)) == .invalidValue)
    #expect(issue(fits, DeviceSecrets(passwordHash: "$7$1$s$h", apiKeyHMAC: [1])) == .invalidValue)
    #expect(issue(fits, secrets(1), -1) == .invalidValue)
    #expect(issue(fits, secrets(1), Registry.overlapLimitNanos + 1) == .invalidValue)
    #expect(Registry.mqttUsername(type: "weather_station", device: "ws-001") == "tsq-weatherstationdevice-ws-001")
  }

  @Test("D-14 T-05: credentials are part of checkpoint and digest")
  func checkpoint() throws {
    var ledger = Ledger()
    for device in ["ws-1", "ws-2", "ws-3"] { ledger.decide { $0.createDevice(device, type: "power", $1) } }
    let before = ledger.registry.digest
    for byte in 1...6 as ClosedRange<UInt8> {
      ledger.decide { $0.issueCredentials(of: "ws-\(byte % 3 + 1)", secrets(byte), overlapNanos: minute, $1) }
    }
    #expect(ledger.registry.digest != before)
    let bytes = ledger.registry.checkpoint()
    var restored = try Registry(checkpoint: bytes.span.bytes)
    #expect(restored == ledger.registry && restored == replay(ledger.log))
    #expect(restored.digest == ledger.registry.digest)
    #expect(keys(restored, at: ledger.now) == keys(ledger.registry, at: ledger.now))
    let next = ledger.log.count
    ledger.decide { $0.revokeCredentials(of: "ws-2", $1) }
    for event in ledger.log[next...] { restored.apply(event) }
    #expect(restored == ledger.registry)
  }
}
