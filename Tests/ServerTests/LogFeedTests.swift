import Foundation
import Testing

@testable import Server

/// D-30: the log as the signal, over HTTP and at the command line.
@Suite(.serialized) struct LogFeedTests {
  private static let admin = "0123456789abcdef0123456789abcdef-admin"
  private static let start: Int64 = 1_666_000_000

  private struct Page {
    var kinds: [String]
    var objects: [[String: Any]]
    var next: Int
  }

  private func page(_ client: HTTPClient, _ query: String) throws -> Page {
    let answer = try client.get("/api/events?\(query)")
    #expect(answer.status == 200, "\(answer.body)")
    let kinds = answer.list.compactMap { $0["kind"] as? String }
    return Page(kinds: kinds, objects: answer.list, next: Int(answer.headers["x-tsq-next-lsn"] ?? "") ?? -1)
  }

  /// Runs `tsq` and gives its exit status and what it printed.
  private func tsq(_ arguments: [String], _ server: ServeProcess) throws -> (status: Int32, output: String) {
    let file = "\(server.folder)/cli-\(UUID().uuidString)"
    let process = try ChildProcess(ServeProcess.binary, arguments, output: file)
    let status = process.waitForStatus()
    return (status, String(decoding: fileBytes(file), as: UTF8.self))
  }

  @Test("D-30: data received, status changed from what to what, connected, disconnected, command sent, provisioned; by type, from a position")
  func everySignalIsThere() throws {
    // A broker by name, which need not be there.
    let server = try ServeProcess(["--dev", "--mqtt", "mqtt://127.0.0.1:1"])
    let client = server.client()
    let type = """
      {"type":"weather_station","readings":{"temperature":{"type":"float"}},"commands":{"reboot":{}}}
      """
    let declared = try client.post("/api/types", type)
    #expect(declared.status == 201, "\(declared.body)")
    _ = try client.post("/api/devices", #"{"id":"ws-1","type":"weather_station"}"#)
    let begin = try page(client, "limit=10000").next
    let all = "data_received,status_changed,connected,disconnected,command_sent,provisioned"
    #expect(try page(client, "from=\(begin)&kind=\(all)").kinds.isEmpty)
    for status in ["online", "error"] { _ = try client.post("/api/devices/ws-1/status", #"{"status":"\#(status)"}"#) }
    _ = try client.post("/api/devices/ws-1/credentials", "")
    #expect(try client.post("/api/devices/ws-1/commands", #"{"command":"reboot"}"#).status == 202)
    #expect(try client.post("/powermon/data", Frames.json("gresystem000001", Self.start)).status == 200)
    let meter = try WebSocketClient(server.port, "/powermon/data/gresystem000001")
    _ = try meter.call(#"[2,"a1","StatusNotification",{}]"#)
    meter.close()
    try waitUntil("the channel has ended") {
      (try? page(client, "from=\(begin)&kind=disconnected").kinds.count == 1) ?? false
    }
    let told = try page(client, "from=\(begin)&kind=\(all)")
    #expect(
      told.kinds == [
        "device.status_changed", "device.status_changed", "credentials.issued", "command.sent", "message.received",
        "device.connected", "device.disconnected",
      ])
    let changes = told.objects.compactMap { $0["payload"] as? [String: Any] }.filter { $0["status"] != nil }
    #expect(changes.map { "\($0["previous"] ?? "?")→\($0["status"] ?? "?")" } == ["offline→online", "online→error"])
    #expect(try page(client, "from=\(told.next)&kind=\(all)").kinds.isEmpty)
    #expect(Set(try page(client, "from=\(begin)&kind=\(all)&type=power").kinds) == ["message.received", "device.connected", "device.disconnected"])
    #expect(try page(client, "from=\(begin)&kind=all&device=ws-1").objects.allSatisfy { $0["device_id"] as? String == "ws-1" })
    // A page at a time: the same, once each.
    var (kinds, next) = ([String](), begin)
    while case let one = try page(client, "from=\(next)&kind=\(all)&limit=1"), !one.kinds.isEmpty {
      kinds += one.kinds
      next = one.next
    }
    #expect(kinds == told.kinds && next == told.next)
    for wrong in ["kind=nothing", "kind=connected,x", "kind=", "kind=,", "kind=connected,", "from=x", "limit=-1"] {
      #expect(try client.get("/api/events?\(wrong)").status == 400, "\(wrong)")
    }
    #expect(try client.get("/api/events?type=nothing").status == 404)
    let newest = try client.get("/api/events?from=\(begin)&limit=1").headers["x-tsq-lsn"].flatMap { Int($0) }
    #expect(newest == told.next - 1, "how far the log goes is told with each page")
    for kind in ["", ","] { #expect(try tsq(["events", "--kind", kind, "--store", server.store], server).status == 2) }
    // The command line says the same of the server and of the store beside it.
    let arguments = ["events", "--kind", all, "--format", "csv", "--from", "\(begin)"]
    let remote = try tsq(arguments + ["--connect", "http://127.0.0.1:\(server.port)"], server)
    let local = try tsq(arguments + ["--store", server.store], server)
    #expect(remote.status == 0 && remote.output == local.output && local.output.split(separator: "\n").count == kinds.count + 1)
  }

  @Test("D-30: tsq events --follow goes on as things happen, ends with Ctrl-C by 130 and says from where to go on")
  func followingGoesOn() throws {
    let server = try ServeProcess()
    let client = server.client()
    _ = try client.post("/api/users", #"{"name":"ann"}"#)
    for place in [["--connect", "http://127.0.0.1:\(server.port)"], ["--store", server.store]] {
      let (out, log) = ("\(server.folder)/follow-\(place[0])", "\(server.folder)/follow-log-\(place[0])")
      let arguments = ["-c", "exec \"$0\" \"$@\" 2>\(log)", ServeProcess.binary, "events", "--follow", "--kind", "user"] + place
      let process = try ChildProcess("/bin/sh", arguments, output: out)
      func lines() -> [Substring] { String(decoding: fileBytes(out), as: UTF8.self).split(separator: "\n") }
      try waitUntil("what was is told") { lines().contains { $0.contains("ann") } }
      let before = lines().count
      _ = try client.post("/api/users", #"{"name":"user\#(place[0])"}"#)
      try waitUntil("what comes is told") { lines().count == before + 1 }
      #expect(lines().last?.contains("user\(place[0])") == true)
      kill(process.id, SIGINT)
      #expect(process.waitForStatus() == 130)
      let said = String(decoding: fileBytes(log), as: UTF8.self)
      let from = said.split(separator: " ").last.map { $0.trimmingCharacters(in: .whitespacesAndNewlines) } ?? ""
      #expect(said.contains("go on with --from"))
      #expect(try page(client, "from=\(from)&kind=user").kinds.isEmpty)
    }
  }

  @Test("D-30: who follows outlives the server: it asks again, says so, and goes on where it was")
  func followingOutlivesTheServer() throws {
    let first = try ServeProcess()
    _ = try first.client().post("/api/users", #"{"name":"ann"}"#)
    let (out, log) = ("\(first.folder)/follow", "\(first.folder)/follow-log")
    let arguments = ["-c", "exec \"$0\" \"$@\" 2>\(log)", ServeProcess.binary, "events", "--follow", "--kind", "user"]
    let process = try ChildProcess("/bin/sh", arguments + ["--connect", "http://127.0.0.1:\(first.port)"], output: out)
    func lines() -> [Substring] { String(decoding: fileBytes(out), as: UTF8.self).split(separator: "\n") }
    func notes() -> String { String(decoding: fileBytes(log), as: UTF8.self) }
    try waitUntil("what was is told") { lines().contains { $0.contains("ann") } }
    let before = lines()
    let port = first.port
    _ = first.stop()
    try waitUntil("its absence is noted") { notes().contains("asking again in") }
    try first.start(["--listen", "127.0.0.1:\(port)"])
    _ = try first.client().post("/api/users", #"{"name":"bob"}"#)
    try waitUntil("what comes is told") { lines().count > before.count }
    #expect(lines().dropLast() == before[...] && lines().last?.contains("bob") == true, "nothing twice, nothing left out")
    kill(process.id, SIGINT)
    #expect(process.waitForStatus() == 130 && notes().contains("go on with --from"))
    // A refusal stays one.
    let refused = try tsq(["events", "--follow", "--type", "nothing", "--connect", "http://127.0.0.1:\(first.port)"], first)
    #expect(refused.status == 1)
  }

  @Test("D-24: commands come in pages, the newest first, and from a position of the log on")
  func commandsComeInPages() throws {
    let server = try ServeProcess(["--dev", "--mqtt", "mqtt://127.0.0.1:1"])
    let client = server.client()
    _ = try client.post("/api/types", #"{"type":"probe","readings":{"x":"int"},"commands":{"go":{}}}"#)
    for id in ["p-1", "p-2"] { _ = try client.post("/api/devices", #"{"id":"\#(id)","type":"probe"}"#) }
    var sent: [Int] = []
    for number in 0..<5 {
      let answer = try client.post("/api/devices/p-\(1 + number % 2)/commands", #"{"command":"go"}"#)
      #expect(answer.status == 202, "\(answer.body)")
      sent.append(answer.count("lsn"))
    }
    func page(_ path: String) throws -> [Int] { try client.get(path).list.compactMap { $0["lsn"] as? Int } }
    #expect(try page("/api/commands") == sent.reversed())
    #expect(try page("/api/commands?limit=2") == [sent[4], sent[3]])
    #expect(try page("/api/commands?limit=2&before=\(sent[3])") == [sent[2], sent[1]])
    #expect(try page("/api/commands?from=\(sent[3])") == [sent[4], sent[3]])
    #expect(try page("/api/devices/p-2/commands?limit=1") == [sent[3]] && page("/api/commands?limit=0").isEmpty)
    #expect(try client.get("/api/commands?before=x").status == 400)
  }

  @Test("T-04, D-30: people follow what is theirs")
  func peopleFollowWhatIsTheirs() throws {
    let server = try ServeProcess([], environment: ["TSQ_ADMIN_TOKEN=\(Self.admin)"])
    let admin = server.client(Self.admin)
    for name in ["ann", "bob"] { _ = try admin.post("/api/users", #"{"name":"\#(name)"}"#) }
    for (id, user) in [("gresystem000001", "ann"), ("gresystem000002", "bob")] {
      _ = try admin.post("/api/devices", #"{"id":"\#(id)"}"#)
      _ = try admin.post("/api/devices/\(id)/associate", #"{"user":"\#(user)","at":"2022-01-01T00:00:00Z"}"#)
      #expect(try admin.post("/powermon/data", Frames.json(id, Int64(Date().timeIntervalSince1970))).status == 200)
    }
    let token = try admin.post("/api/tokens", #"{"role":"user","user":"ann"}"#).object["token"] as? String
    let ann = server.client(token)
    let told = try page(ann, "kind=all")
    #expect(told.kinds.contains("message.received") && told.kinds.contains("device.associated"))
    #expect(!told.objects.contains { "\($0)".contains("gresystem000002") || "\($0)".contains("bob") })
    #expect(!told.kinds.contains("code.issued") && !told.kinds.contains("message.processed"))
    let all = try page(admin, "kind=all")
    #expect(all.next > told.objects.count && all.kinds.filter { $0 == "message.received" }.count == 2)
  }
}
