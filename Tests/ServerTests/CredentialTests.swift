import Foundation
import TSEngine
import Testing

@testable import Server

/// D-14: what devices prove themselves with.
@Suite(.serialized) struct CredentialTests {
  @Test("D-14 S4: the store holds neither password nor API key, and tells right from wrong ones")
  func secretsAreHashed() throws {
    let folder = NSTemporaryDirectory() + "tsq-credentials-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let clock = SimClock(nanos: 1_700_000_000_000_000_000)
    var options = StoreOptions()
    options.clock = clock
    let store = try Store.open(folder, options)
    defer { try? store.close() }
    let actor = Actor(.operator, "test")
    _ = try store.decide(actor: actor) { $0.createDevice("ws-1", type: "power", $1) }
    let keys = try DeviceKeys(store)
    #expect(!keys.checkMQTTPassword("", device: "ws-1"))
    let first = try keys.issue(for: "ws-1", actor: actor).get()
    #expect(first.username == "tsq-powerdevice-ws-1")
    #expect(first.apiKey.count == 64 && first.apiKey.allSatisfy { $0.isHexDigit && !$0.isUppercase })
    #expect(first.password.count == 43)
    #expect(first.password.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_") })
    #expect(keys.checkMQTTPassword(first.password, device: "ws-1"))
    #expect(keys.checkMQTTPassword(first.password, username: first.username))
    #expect(!keys.checkMQTTPassword(first.password + "x", device: "ws-1"))
    #expect(!keys.checkMQTTPassword(first.password, username: "tsq-powerdevice-ws-2"))
    #expect(keys.device(apiKey: first.apiKey) == "ws-1" && keys.device(apiKey: first.password) == nil)
    let hash = store.registry.credentials["ws-1"]?.secrets.passwordHash ?? ""
    #expect(hash.hasPrefix("$7$100000$") && !hash.contains(first.password))
    let second = try keys.issue(for: "ws-1", overlapNanos: 600_000_000_000, actor: actor).get()
    clock.advance(nanos: 599_000_000_000)
    #expect(keys.checkMQTTPassword(first.password, device: "ws-1") && keys.device(apiKey: first.apiKey) == "ws-1")
    clock.advance(nanos: 1_000_000_000)
    #expect(!keys.checkMQTTPassword(first.password, device: "ws-1") && keys.device(apiKey: first.apiKey) == nil)
    #expect(keys.checkMQTTPassword(second.password, device: "ws-1") && keys.device(apiKey: second.apiKey) == "ws-1")
    let refused = try keys.issue(for: "nobody", actor: actor)
    #expect(throws: Refusal.unknownDevice) { try refused.get() }
    try store.seal()
    for path in try FileManager.default.subpathsOfDirectory(atPath: folder) {
      let text = String(decoding: fileBytes("\(folder)/\(path)"), as: UTF8.self)
      for secret in [first.password, first.apiKey, second.password, second.apiKey] {
        #expect(!text.contains(secret), "\(path)")
      }
    }
  }

  @Test("D-14: mosquitto takes the hash as its own, and knows right from wrong passwords")
  func mosquittoTakesTheHash() throws {
    let hash = MosquittoPassword.hash("right") { Array(repeating: 7, count: $0) }
    #expect(MosquittoPassword.matches("right", hash) && !MosquittoPassword.matches("wrong", hash))
    for bad in ["", "right", "$6$1$a$b", "$7$0$a$b", "$7$x$a$b", "$7$1$a$b", "$7$99999999$AA==$AA=="] {
      #expect(!MosquittoPassword.matches("right", bad))
    }
    let broker = try Broker()
    let users = "\(broker.folder)/users"
    try "".write(toFile: users, atomically: true, encoding: .utf8)
    #expect(try ChildProcess("/usr/bin/mosquitto_passwd", ["-b", users, "ann", "secret"]).waitForStatus() == 0)
    let theirs = try String(contentsOfFile: users, encoding: .utf8).trimmingCharacters(in: .newlines).dropFirst(4)
    #expect(MosquittoPassword.matches("secret", String(theirs)))
    try "tsq-powerdevice-ws-1:\(hash)\n".write(toFile: users, atomically: true, encoding: .utf8)
    let file = "\(broker.folder)/mosquitto.conf"
    let open = try String(contentsOfFile: file, encoding: .utf8)
    try (open.replacing("allow_anonymous true", with: "allow_anonymous false") + "\npassword_file \(users)\n")
      .write(toFile: file, atomically: true, encoding: .utf8)
    try broker.start()
    func publish(as password: String) throws -> Int32 {
      try ChildProcess(
        "/usr/bin/mosquitto_pub",
        ["-h", "127.0.0.1", "-p", "\(broker.port)", "-u", "tsq-powerdevice-ws-1", "-P", password, "-t", "a", "-m", "b"],
        output: "\(broker.folder)/out"
      ).waitForStatus()
    }
    #expect(try publish(as: "right") == 0)
    #expect(try publish(as: "wrong") != 0)
  }

  @Test("D-14 D-15: credentials over HTTP and at the command line are shown once, overlap and are revoked")
  func overHTTP() throws {
    let server = try ServeProcess()
    let client = server.client()
    #expect(try client.post("/api/devices", #"{"id":"ws-1","type":"power"}"#).status == 201)
    let path = "/api/devices/ws-1/credentials"
    #expect(try client.get(path).object["code"] as? String == "unknownCredentials")
    let made = try client.post(path, "")
    #expect(made.status == 201 && made.object["mqtt_username"] as? String == "tsq-powerdevice-ws-1")
    #expect((made.object["api_key"] as? String)?.count == 64)
    #expect((made.object["mqtt_password"] as? String)?.count == 43)
    #expect(try client.post(path, #"{"overlap":"10m"}"#).status == 201)
    let shown = try client.get(path)
    #expect(shown.status == 200 && (shown.object["former_valid_until"] as? [String])?.count == 1)
    #expect(!shown.body.contains("$7$") && shown.object["api_key"] == nil)
    for body in [#"{"overlap":"ten"}"#, #"{"overlap":"-1m"}"#, #"{"overlap":"31d"}"#] {
      #expect(try client.post(path, body).status == 400)
    }
    #expect(try client.post("/api/devices/nobody/credentials", "").status == 404)
    let table = try client.get("/api/query?q=select+public_id,label,expires_at+from+credentials+where+device_id='ws-1'")
    #expect(table.list.count == 2 && !table.body.contains("$7$"))
    #expect(try client.request("DELETE", path).status == 200)
    #expect(try client.request("DELETE", path).status == 404)
    #expect(try client.get("/api/events").list.suffix(1).first?["kind"] as? String == "credentials.revoked")

    let printed = "\(server.folder)/printed"
    func tsq(_ arguments: [String]) throws -> (Int32, String) {
      let status = try ChildProcess(ServeProcess.binary, ["device", "credentials", "ws-1"] + arguments, output: printed)
        .waitForStatus()
      return (status, String(decoding: fileBytes(printed), as: UTF8.self))
    }
    let url = "http://127.0.0.1:\(server.port)"
    #expect(try tsq(["--connect", url, "--format", "csv"]).1.hasPrefix("mqtt_username,mqtt_password,api_key\ntsq-power"))
    #expect(server.stop() == 0)
    let made2 = try tsq(["--store", server.store, "--overlap", "10m", "--format", "csv"])
    #expect(made2.0 == 0 && made2.1.split(separator: "\n").count == 2)
    #expect(try tsq(["--store", server.store, "--revoke"]) == (0, ""))
    #expect(try tsq(["--store", server.store, "--revoke"]).0 == 1)
    #expect(try tsq(["--store", server.store, "--revoke", "--overlap", "1m"]).0 == 2)
  }
}
