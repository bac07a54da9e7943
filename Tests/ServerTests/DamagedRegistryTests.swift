import Foundation
import TSEngine
import Testing

@testable import Server

/// R4: over a damaged journal a server takes readings, and tells and decides nothing by what is left of the registry.
@Suite(.serialized) struct DamagedRegistryTests {
  private let frame =
    #"{"version":"221013","sensor_id":"gresystem000001","timestamp":1666000000,"data":[{"probe_id":1,"#
    + #""probe_type":"CT","power":[800],"pf":[990],"voltage":[2300]}]}"#

  /// Seals what the server left and flips a bit of the journal that holds its events.
  private func damage(_ server: ServeProcess) throws {
    var options = StoreOptions()
    options.maintainsItself = false
    let store = try Store.open(server.store, options)
    try store.seal()
    let journal = try #require(store.snapshot().manifest.journals.first { $0.content == .registry })
    try store.close()
    let path = "\(server.store)/journal/\(FileNames.journalSegment(journal.id))"
    var bytes = fileBytes(path)
    bytes[90] ^= 1
    try Data(bytes).write(to: URL(fileURLWithPath: path))
  }

  private func tsq(_ server: ServeProcess, _ arguments: [String]) throws -> Int32 {
    try ChildProcess(ServeProcess.binary, arguments, output: "\(server.folder)/printed").waitForStatus()
  }

  @Test func aServerOverADamagedJournalTakesReadingsAndTellsNothingOfDevices_R4() throws {
    let broker = try Broker()
    try broker.start()
    let server = try BrokerTests.server(broker)
    #expect(try server.client().post("/api/users", #"{"name":"ann"}"#).status == 201)
    #expect(try server.client().post("/api/devices", #"{"id":"lamp01"}"#).status == 201)
    #expect(server.stop() == 0)
    try damage(server)
    try server.start()
    let client = server.client()

    for path in ["devices", "devices/lamp01", "users", "users/ann", "types"] {
      let answer = try client.get("/api/\(path)")
      #expect(answer.status == 500 && answer.body.contains("tsq salvage"), "\(path): \(answer.body)")
    }
    let claim = try client.post("/api/devices/lamp01/associate", #"{"user":"ann"}"#)
    #expect(claim.status == 500 && claim.body.contains("tsq salvage"), "\(claim.body)")
    #expect(try client.post("/api/users", #"{"name":"bob"}"#).status == 500)
    #expect(server.log.contains { $0.contains("neither discovered nor announced") }, "\(server.log)")

    let stored = try client.post("/powermon/data", frame)
    #expect(stored.status == 200 && stored.count("new") == 1, "\(stored.body)")
    let meter = try BrokerTests.Watcher(broker, ["powermon/+/ack"])
    defer { meter.end() }
    try meter.publish("powermon/gresystem000001/data", frame.replacing("1666000000", with: "1666000001"))
    try waitUntil("an answer") { meter.payloads("powermon/gresystem000001/ack").count == 1 }
    #expect(meter.payloads("powermon/gresystem000001/ack").first?.contains(#""new":1"#) == true)

    #expect(server.stop() == 0)
    for command in [["device", "list"], ["user", "list"], ["type", "list"], ["device", "show", "lamp01"]] {
      #expect(try tsq(server, command + ["--store", server.store]) == 3, "\(command)")
    }
  }
}
