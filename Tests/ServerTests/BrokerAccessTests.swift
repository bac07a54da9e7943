import Foundation
import TSEngine
import Testing

@testable import Ingest
@testable import Server

/// Who reaches what on a mosquitto whose files tsq keeps.
@Suite(.serialized) struct BrokerAccessTests {
  private typealias Watcher = BrokerTests.Watcher
  private static let secret = "tsq-own-password"

  /// A broker that lets in whom tsq's files name, and a server that keeps them.
  private func start() throws -> (broker: Broker, server: ServeProcess, folder: String) {
    let folder = NSTemporaryDirectory() + "tsq-files-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let broker = try Broker(
      """
      password_file \(folder)/passwords
      acl_file \(folder)/acl
      pid_file \(folder)/pid
      """, anonymous: false, queued: 1_000_000)
    let server = try ServeProcess([
      "--dev", "--mqtt", "mqtt://tsq:\(Self.secret)@127.0.0.1:\(broker.port)", "--broker-files", folder, "--broker-pid",
      "\(folder)/pid",
    ])
    try broker.start()
    try waitUntil("subscribed") { server.output.contains("mqtt mqtt subscribed") }
    return (broker, server, folder)
  }

  /// New credentials of a device, once the broker knows them.
  private func credentials(_ server: ServeProcess, _ id: String, _ folder: String) throws -> (user: String, password: String) {
    let answer = try server.client().post("/api/devices/\(id)/credentials", "").object
    let user = answer["mqtt_username"] as? String ?? ""
    let line = { String(decoding: fileBytes("\(folder)/passwords"), as: UTF8.self).split(separator: "\n").first { $0.hasPrefix("\(user):") } }
    try waitUntil("written") { line() != nil }
    return (user, answer["mqtt_password"] as? String ?? "")
  }

  private func isLetIn(_ broker: Broker, _ login: (user: String, password: String)?) throws -> Bool {
    let client = try Watcher(broker, ["x/y"], login: login ?? ("", ""))
    defer { client.end() }
    return client.inbox.failures.withLock { $0 } == 0
  }

  @Test("L-50, L-51: a device reaches its own topics alone, writes what it says, reads what it is told; nobody else comes in")
  func aDeviceReachesItsOwnTopics() throws {
    let (broker, server, folder) = try start()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let client = server.client()
    let (own, other) = ("b827eb08451e", "b827eb000002")
    for id in [own, other] { _ = try client.post("/api/devices", #"{"id":"\#(id)","type":"lampi"}"#) }
    let login = try credentials(server, own, folder)
    try waitUntil("the broker knows") { (try? isLetIn(broker, login)) == true }
    #expect(try isLetIn(broker, (login.user, "wrong")) == false)
    #expect(try isLetIn(broker, ("tsq-lampidevice-\(other)", login.password)) == false)
    let bridge = try Watcher(broker, ["devices/#", "$SYS/#"], login: ("\(own)_broker", login.password))
    defer { bridge.end() }
    try waitUntil("its code") { !bridge.payloads(BrokerTests.associated(own)).isEmpty }
    func states() throws -> [String] {
      try client.request("POST", "/api/query", Array("select client from device_states order by lsn".utf8)).list
        .compactMap { $0["client"] as? String }
    }
    // The broker takes what it does not pass on; the last one proves that the others were seen.
    try bridge.publish(LampTopic.changed(other), #"{"on":true,"client":"foreign"}"#)
    try bridge.publish("powermon/gresystem000001/data", Frames.json("gresystem000001", 1_666_000_000))
    try bridge.publish(LampTopic.setConfig(own), #"{"on":true,"client":"self"}"#)
    try bridge.publish(BrokerTests.associated(own), "forged", retain: true)
    try bridge.publish(BrokerTests.state(other), "1")
    try bridge.publish(BrokerTests.state(own), "1")
    try bridge.publish(LampTopic.changed(own), #"{"on":true,"client":"own"}"#)
    try waitUntil("its own state") { (try? states()) == ["own"] }
    #expect(try client.get("/api/devices/gresystem000001").status == 404)
    #expect(try client.get("/api/devices/\(other)").object["connected"] == nil)
    #expect(try client.get("/api/devices/\(own)").object["connected"] as? Bool == true)
    #expect(try client.post("/api/devices/\(other)/set_config", #"{"on":true}"#).status == 202)
    #expect(try client.post("/api/devices/\(own)/set_config", #"{"on":false}"#).status == 202)
    try waitUntil("its own order") { !bridge.payloads(LampTopic.setConfig(own)).isEmpty }
    #expect(bridge.payloads(LampTopic.setConfig(own)) == [#"{"on":false,"client":"tsq"}"#])
    let topics = Set(bridge.inbox.messages.withLock { $0.map(\.topic) })
    #expect(topics == [BrokerTests.associated(own), LampTopic.setConfig(own)], "\(topics)")
    #expect(!bridge.payloads(BrokerTests.associated(own)).contains("forged"))
    // Taken away: the broker is told, and shuts the door.
    #expect(try client.request("DELETE", "/api/devices/\(own)/credentials").status == 200)
    try waitUntil("shut out") { (try? isLetIn(broker, login)) == false }
    let mode = try FileManager.default.attributesOfItem(atPath: "\(folder)/passwords")
    #expect(mode[.posixPermissions] as? Int == 0o640)
    #expect(!String(decoding: fileBytes("\(folder)/passwords"), as: UTF8.self).contains(Self.secret))
  }

  @Test("L-51: the user whose a lamp is has the mirror; meters and other types have their own topics")
  func theFilesFollowTheRegistry() throws {
    let folder = NSTemporaryDirectory() + "tsq-acl-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let store = try Store.open(folder)
    defer { try? store.close() }
    let actor = Actor(.system, "test")
    let keys = try DeviceKeys(store)
    _ = try store.decide(actor: actor) { $0.createDevice("aa", type: "lampi", $1) }
    _ = try store.decide(actor: actor) { $0.createDevice("gresystem000001", type: "power", $1) }
    for id in ["aa", "gresystem000001"] { _ = try keys.issue(for: id, actor: actor) }
    for name in ["aa_broker", "ann", "b:b", "carl", "tsq"] {
      let user = try store.decide(actor: actor) { $0.createUser(name, $1) }.result.get()
      let hash = name == "carl" ? "$7$1$x$y\nroot:$7$1$x$y" : "$7$1$AA==$AA=="
      _ = try store.decide(actor: actor) { $0.setPassword(of: user, hash: hash, $1) }
      if name == "ann" { _ = try store.decide(actor: actor) { $0.associate("aa", with: user, $1) } }
    }
    let access = BrokerAccess(
      store.registry, logins: [.init(username: "tsq", passwordHash: "$7$own")], discoveryPrefix: "$SYS/broker/connection")
    let names = access.passwords.split(separator: "\n").compactMap { $0.split(separator: ":").first }
    #expect(names == ["tsq", "tsq-lampidevice-aa", "aa_broker", "tsq-powerdevice-gresystem000001", "ann"])
    let rules = access.acl.split(separator: "\n\n").map { $0.split(separator: "\n").map(String.init) }
    #expect(rules[0] == ["user tsq", "topic readwrite #", "topic readwrite $SYS/#"])
    #expect(rules[1].contains("topic write devices/aa/lamp/changed") && rules[1].contains("topic read devices/aa/lamp/set_config"))
    #expect(rules[2][0] == "user aa_broker" && rules[2].dropFirst() == rules[1].dropFirst())
    #expect(rules[3].dropFirst() == ["topic write powermon/gresystem000001/data", "topic read powermon/gresystem000001/ack"])
    #expect(rules[4][0] == "user ann" && rules[4].contains("topic read devices/aa/lamp/changed"))
    #expect(rules[4].contains("topic write devices/aa/lamp/set_config") && rules.count == 5)
  }
}
