import Foundation
import Testing

@testable import Ingest
@testable import Server

/// D-26: several named brokers, some of them over TLS, for `tsq serve` and `tsq simulate`.
@Suite(.serialized) struct BrokerTLSTests {
  @Test("D-26: two named brokers, one over mutual TLS; frames of a simulated fleet come in over both")
  func twoNamedBrokers() throws {
    let files = try Certificates()
    let (plain, encrypted) = (try Broker(), try Broker(files.listener("server", isMutual: true)))
    for broker in [plain, encrypted] { try broker.start() }
    let own = "?ca=\(files.path("ca.pem"))&cert=\(files.path("client.pem"))&key=\(files.path("client.key"))"
    let server = try ServeProcess([
      "--dev", "--mqtt", "near=mqtt://127.0.0.1:\(plain.port)", "--mqtt", "far=mqtts://127.0.0.1:\(encrypted.port)\(own)",
    ])
    try waitUntil("both subscribed") {
      server.output.contains("mqtt near subscribed on mqtt://127.0.0.1:\(plain.port)")
        && server.output.contains("mqtt far subscribed on mqtts://127.0.0.1:\(encrypted.port)")
    }
    let fleet = ["simulate", "--sensors", "3", "--seconds", "2", "--speed", "0"]
    let byOptions = ["--mqtt-ca", files.path("ca.pem"), "--mqtt-cert", files.path("client.pem"), "--mqtt-key", files.path("client.key")]
    func simulate(_ arguments: [String]) throws -> Int32 { try ChildProcess(ServeProcess.binary, fleet + arguments).waitForStatus() }
    #expect(try simulate(["--to", "mqtt://127.0.0.1:\(plain.port)"]) == 0)
    #expect(try simulate(["--first", "4", "--to", "mqtts://127.0.0.1:\(encrypted.port)"] + byOptions) == 0)
    #expect(try simulate(["--first", "7", "--to", "mqtts://127.0.0.1:\(encrypted.port)\(own)"]) == 0)
    try waitUntil("all frames") { (try? server.client().get("/powermon/?limit=100").list.count) == 18 }
    let sensors = try server.client().get("/api/devices").list.compactMap { $0["device_id"] as? String }
    #expect(Set(sensors) == Set((1...9).map { "gresystem00000\($0)" }))
  }

  @Test("D-26: a file that is missing, or goes with nothing, is told at the start with exit 2, by its name")
  func missingFilesAreTold() throws {
    let folder = NSTemporaryDirectory() + "tsq-tls-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    func said(_ arguments: [String]) throws -> String {
      let words = ([ServeProcess.binary] + arguments).map { "'\($0)'" }.joined(separator: " ")
      let process = try ChildProcess("/bin/sh", ["-c", "exec \(words) 2>&1"], output: "\(folder)/said")
      #expect(process.waitForStatus() == 2, "\(arguments)")
      return String(decoding: fileBytes("\(folder)/said"), as: UTF8.self)
    }
    let serve = ["serve", "--store", "\(folder)/store", "--dev", "--mqtt"]
    #expect(try said(serve + ["mqtts://a?ca=\(folder)/ca.pem"]).contains("\(folder)/ca.pem cannot be read"))
    #expect(try said(serve + ["mqtts://a", "--mqtt-cert", "\(folder)/c.pem"]).contains("go together"))
    #expect(try said(serve + ["mqtt://a", "--mqtt-ca", "\(folder)/ca.pem"]).contains("mqtts://"))
    #expect(try said(serve + ["mqtts://a?secret=x"]).contains("mqtts://host:8883?ca=FILE"))
    let simulate = ["simulate", "--to", "mqtts://127.0.0.1:1", "--mqtt-ca", "\(folder)/ca.pem"]
    #expect(try said(simulate).contains("\(folder)/ca.pem cannot be read"))
    #expect(!FileManager.default.fileExists(atPath: "\(folder)/store"))
  }

  @Test("D-26: URLs of brokers")
  func urlsOfBrokers() throws {
    let full = try #require(ServerOptions.Broker("far=mqtts://ann:s?cret@[::1]:99?ca=/a%20b/ca.pem&cert=c&key=k"))
    #expect(full.name == "far" && full.host == "::1" && full.port == 99 && full.url == "mqtts://[::1]:99")
    #expect(full.username == "ann" && full.password == "s?cret")
    #expect(full.tls == MQTTTLS(caFile: "/a b/ca.pem", certFile: "c", keyFile: "k"))
    let short = try #require(ServerOptions.Broker("mqtts://broker.example"))
    #expect(short.port == 8883 && short.tls == MQTTTLS() && short.name == "mqtt")
    let plain = try #require(ServerOptions.Broker("mqtt://broker.example/"))
    #expect(plain.port == 1883 && plain.tls == nil && plain.url == "mqtt://broker.example:1883")
    for bad in ["mqtts://", "mqtts://a?ca", "mqtts://a?x=y", "=mqtts://a", "a b=mqtts://a", "https://a", "mqtt://a?ca=b"] {
      #expect(ServerOptions.Broker(bad) == nil, "\(bad)")
    }
  }
}
