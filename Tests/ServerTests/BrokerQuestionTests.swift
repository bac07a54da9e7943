import Foundation
import TSEngine
import Testing

@testable import Server

/// L-50: a broker asks the server.
@Suite(.serialized) struct BrokerQuestionTests {
  @Test("L-50: a subscription is allowed where one rule covers all that it matches")
  func filtersCoverFilters() {
    let yes = [
      ("a/b", "a/b"), ("a/+", "a/b"), ("a/+", "a/+"), ("a/#", "a"), ("a/#", "a/b"), ("a/#", "a/+/c"), ("a/#", "a/#"),
      ("#", "a/#"), ("#", "+/b"), ("+/b", "+/b"), ("a/+/c", "a//c"), ("$SYS/#", "$SYS/broker/+"), ("+", ""), ("a/b/#", "a/b/#"),
    ]
    let no = [
      ("a/b", "a/+"), ("a/b", "a/#"), ("a/+", "a/#"), ("a/+", "a/b/c"), ("a/+", "a"), ("a/b/#", "a/#"), ("a/b/#", "a/+"),
      ("#", "$SYS/x"), ("+/x", "$SYS/x"), ("a", "#"), ("+", "#"), ("a/#/b", "a/x/b"), ("a/#", "a/#/b"), ("a+", "a+"),
      ("a/b", "a/b/"), ("a/b", "A/b"), ("", "#"),
    ]
    for (rule, wish) in yes { #expect(TopicFilter.covers(rule[...], wish[...]), "\(rule) covers \(wish)") }
    for (rule, wish) in no { #expect(!TopicFilter.covers(rule[...], wish[...]), "\(rule) does not cover \(wish)") }
    #expect(TopicFilter.unshared("$share/g/a/+") == "a/+" && TopicFilter.unshared("a") == "a")
    for bad in ["$share/g", "$share//a", "$share/+/a", "$share/g/"] { #expect(TopicFilter.unshared(bad) == nil, "\(bad)") }
  }

  @Test("L-50, L-51: files and answers are of one set of rules; overlapping passwords are all good until they end")
  func filesAndAnswersAgree() throws {
    let folder = NSTemporaryDirectory() + "tsq-questions-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let clock = SimClock(nanos: 1_700_000_000_000_000_000)
    var options = StoreOptions()
    options.clock = clock
    let store = try Store.open(folder, options)
    defer { try? store.close() }
    let actor = Actor(.system, "test")
    let keys = try DeviceKeys(store)
    let devices = [("aa", "lampi"), ("bb", "lampi"), ("gresystem000001", "power")]
    for (id, type) in devices { _ = try store.decide(actor: actor) { $0.createDevice(id, type: type, $1) } }
    let first = try keys.issue(for: "aa", actor: actor).get()
    let second = try keys.issue(for: "aa", overlapNanos: 600_000_000_000, actor: actor).get()
    _ = try keys.issue(for: "gresystem000001", actor: actor)
    let ann = try store.decide(actor: actor) { $0.createUser("ann", $1) }.result.get()
    let hash = MosquittoPassword.hash("anns") { Array(repeating: 1, count: $0) }
    _ = try store.decide(actor: actor) { $0.setPassword(of: ann, hash: hash, $1) }
    _ = try store.decide(actor: actor) { $0.associate("aa", with: ann, $1) }
    let access = BrokerAccess(
      store.registry, logins: [.init(username: "tsq", passwordHash: hash)], discoveryPrefix: "$SYS/broker/connection")
    // Every line of the file is an answer, and the other way round for the topics of all.
    var rules: [(user: String, access: String, filter: String)] = []
    var user = ""
    for line in access.acl.split(separator: "\n") {
      let words = line.split(separator: " ")
      if words[0] == "user" { user = String(words[1]) } else { rules.append((user, String(words[1]), String(words[2]))) }
    }
    let names = Set(rules.map(\.user))
    #expect(names == ["tsq", "tsq-lampidevice-aa", "aa_broker", "tsq-powerdevice-gresystem000001", "ann"])
    for topic in Set(rules.map(\.filter)).subtracting(["#", "$SYS/#"]) {
      let concrete = topic.replacing("+", with: "x")
      for name in names {
        func says(_ wanted: String) -> Bool {
          rules.contains {
            $0.user == name && ($0.access == wanted || $0.access == "readwrite")
              && TopicFilter.covers($0.filter[...], topic[...])
          }
        }
        #expect(access.mayDo(.write, concrete, as: name) == says("write"), "\(name) writes \(concrete)")
        #expect(access.mayDo(.read, concrete, as: name) == says("read"), "\(name) reads \(concrete)")
        #expect(access.mayDo(.subscribe, topic, as: name) == says("read"), "\(name) subscribes \(topic)")
        #expect(access.mayDo(.readWrite, concrete, as: name) == (says("read") && says("write")))
      }
    }
    for wide in ["#", "+/#", "devices/#", "devices/+/lamp/set_config", "devices/bb/lamp/set_config", "$SYS/#", "$share/g/devices/#"] {
      #expect(!access.mayDo(.subscribe, wide, as: "aa_broker"), "\(wide)")
    }
    #expect(access.mayDo(.subscribe, "$share/g/devices/aa/lamp/set_config", as: "aa_broker"))
    #expect(access.mayDo(.subscribe, "#", as: "tsq") && access.mayDo(.subscribe, "$SYS/#", as: "tsq"))
    #expect(!access.mayDo(.write, "devices/+/lamp/changed", as: "tsq") && !access.mayDo(.read, "", as: "tsq"))
    #expect(!access.mayDo(.write, "devices/aa/lamp/changed", as: "bb_broker") && access.rules(of: "nobody").isEmpty)
    #expect(access.isSuperuser("tsq") && !access.isSuperuser("ann") && !access.isSuperuser(""))
    func isGood(_ password: String, _ name: String) -> Bool {
      access.passwordHashes(of: name, at: clock.nowNanos()).contains { MosquittoPassword.matches(password, $0) }
    }
    for name in ["tsq-lampidevice-aa", "aa_broker"] {
      #expect(isGood(first.password, name) && isGood(second.password, name) && !isGood("x", name))
    }
    clock.advance(nanos: 600_000_000_000)
    #expect(!isGood(first.password, "aa_broker") && isGood(second.password, "aa_broker"))
    #expect(isGood("anns", "ann") && isGood("anns", "tsq") && !isGood("", "bb_broker") && !isGood("", "nobody"))
  }

  @Test("L-50: over HTTP, by form and by JSON; a broker on this machine asks, others and proxies need an administrator's token")
  func overHTTP() throws {
    let admin = "0123456789abcdef0123456789abcdef-admin"
    let server = try ServeProcess(
      ["--mqtt", "mqtt://tsq:own-secret@127.0.0.1:1", "--broker-backend"], environment: ["TSQ_ADMIN_TOKEN=\(admin)"])
    let owner = server.client(admin)
    _ = try owner.post("/api/devices", #"{"id":"gresystem000001","type":"power"}"#)
    let made = try owner.post("/api/devices/gresystem000001/credentials", "").object
    let (name, password) = (made["mqtt_username"] as? String ?? "", made["mqtt_password"] as? String ?? "")
    let broker = server.client()
    func ask(_ path: String, _ fields: [String: String], _ headers: [String] = [], json: Bool = false) throws -> Int {
      if json {
        let body = try JSONSerialization.data(withJSONObject: fields)
        return try broker.request("POST", "/api/broker/\(path)", Array(body), headers: ["Content-Type: application/json"] + headers).status
      }
      let form = fields.map { "\($0)=\($1.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? "")" }.joined(separator: "&")
      return try broker.request(
        "POST", "/api/broker/\(path)", Array(form.utf8), headers: ["Content-Type: application/x-www-form-urlencoded"] + headers).status
    }
    for json in [false, true] {
      #expect(try ask("auth", ["username": name, "password": password, "clientid": "c"], json: json) == 200)
      #expect(try ask("auth", ["username": "tsq", "password": "own-secret"], json: json) == 200)
      for (user, secret) in [(name, "wrong"), ("nobody", password), ("", ""), (name, "")] {
        #expect(try ask("auth", ["username": user, "password": secret], json: json) == 401)
      }
      #expect(try ask("superuser", ["username": "tsq"], json: json) == 200)
      #expect(try ask("superuser", ["username": name], json: json) == 403)
      func acl(_ user: String, _ topic: String, _ code: Int) throws -> Int {
        try ask("acl", ["username": user, "clientid": "c", "topic": topic, "acc": "\(code)"], json: json)
      }
      let (data, ack) = ("powermon/gresystem000001/data", "powermon/gresystem000001/ack")
      #expect(try [acl(name, data, 1), acl(name, data, 2), acl(name, data, 4)] == [403, 200, 403])
      #expect(try [acl(name, ack, 1), acl(name, ack, 2), acl(name, ack, 4)] == [200, 403, 200])
      #expect(try [acl(name, "powermon/+/ack", 4), acl(name, "#", 4), acl(name, ack, 9), acl("nobody", ack, 1)] == [403, 403, 403, 403])
      #expect(try acl("tsq", "powermon/+/data", 4) == 200)
    }
    let login = ["username": name, "password": password]
    #expect(try ask("auth", login, ["X-Forwarded-For: 10.0.0.1"]) == 401)
    #expect(try ask("auth", login, ["Origin: http://evil.example"]) == 401, "a page in a browser")
    let plain = try ServeProcess()
    #expect(try plain.client().post("/api/broker/auth", "username=tsq&password=x").status == 404, "not asked for")
    #expect(try ask("auth", login, ["X-Forwarded-For: 10.0.0.1", "Authorization: Bearer \(admin)"]) == 200)
    #expect(try ask("auth", login, ["Via: 1.1 proxy", "X-API-Key: \(made["api_key"] as? String ?? "")"]) == 403)
    #expect(try ask("other", login) == 404 && broker.get("/api/broker/auth").status == 405)
    // A rotation with an overlap: both are good, which the file cannot say.
    let next = try owner.post("/api/devices/gresystem000001/credentials", #"{"overlap":"10m"}"#).object
    for secret in [password, next["mqtt_password"] as? String ?? ""] {
      #expect(try ask("auth", ["username": name, "password": secret]) == 200)
    }
    #expect(try owner.request("DELETE", "/api/devices/gresystem000001/credentials").status == 200)
    #expect(try ask("auth", login) == 401)
    #expect(try ask("acl", ["username": name, "topic": "powermon/gresystem000001/data", "acc": "2"]) == 403)
  }
}
