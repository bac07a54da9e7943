import Foundation
import Query
import TSEngine
import Testing

@testable import tsq

/// What `tsq events --follow` waits for, opens and asks again.
@Suite struct FollowTests {
  @Test("D-30: a short or empty page is not the end of the log, and a log that grows meanwhile has one")
  func pagesGoToTheEnd() throws {
    let pages: [UInt64: LogSource.Page] = [
      0: .init(rows: [["a"]], next: 10, newest: 25), 10: .init(rows: [], next: 20, newest: 28),
      20: .init(rows: [["b"]], next: 26, newest: 30), 26: .init(rows: [["c"]], next: 31, newest: 30),
    ]
    var (found, position) = ([String?](), UInt64(0))
    try LogSource.pages(from: 0) { rows, next in
      found += rows.flatMap { $0 }
      position = next
      return true
    } _: { try #require(pages[$0]) }
    #expect(found == ["a", "b"] && position == 26)
  }

  @Test("D-30: a followed store is opened at first, and again after a change alone")
  func aStoreIsOpenedAfterAChange() throws {
    let folder = NSTemporaryDirectory() + "tsq-follow-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let store = try Store.open(folder, StoreOptions())
    var watch = StoreWatch(folder)
    func hasChanged() -> Bool { watch.hasChanged() }
    #expect(hasChanged())
    // Until what was written is old enough to be told from what comes.
    while hasChanged() { usleep(10_000) }
    for _ in 0..<3 { #expect(!hasChanged()) }
    _ = try store.decide(actor: Actor(.operator, "test")) { $0.createUser("ann", $1) }.result.get()
    #expect(hasChanged())
    while hasChanged() { usleep(10_000) }
    var options = StoreOptions()
    options.isReadOnly = true
    try Store.open(folder, options).close()
    #expect(!hasChanged(), "looking changes nothing")
    try store.close()
  }

  @Test("D-30: pauses grow with what an opening cost and with failures, and are short again after success")
  func pausesGrow() {
    var pace = FollowPace()
    #expect(pace.pause == .milliseconds(500) && !pace.hasSucceeded)
    pace.succeeded(after: .seconds(4), isOpened: true)
    #expect(pace.pause == .seconds(36))
    pace.succeeded(after: .seconds(4), isOpened: false)
    #expect(pace.pause == .milliseconds(500) && pace.hasSucceeded)
    var pauses: [Duration] = []
    for _ in 0..<20 {
      pace.failed()
      pauses.append(pace.pause)
    }
    #expect(pauses.prefix(3) == [.milliseconds(500), .seconds(1), .seconds(2)] && pauses.last == .seconds(30))
    pace.succeeded(after: .zero, isOpened: false)
    #expect(pace.pause == .milliseconds(500))
  }

  @Test("D-30: who is busy or away is asked again; a refusal, a wrong request and damage end it")
  func whatPasses() throws {
    let url = try ServerURL("http://127.0.0.1:1")
    func error(_ status: Int, _ code: String) -> any Error {
      RemoteFailure.error(Array(#"{"code":"\#(code)","message":"m"}"#.utf8), status, url)
    }
    for (status, code) in [(429, "53300"), (429, "overloaded"), (503, "io"), (503, "closed"), (502, "x"), (504, "x")] {
      #expect(RemoteFailure.isPassing(error(status, code)), "\(status) \(code)")
    }
    for (status, code) in [(400, "bad_request"), (401, "unauthorized"), (403, "forbidden"), (403, "42501"), (404, "unknownType"), (500, "corrupt")] {
      #expect(!RemoteFailure.isPassing(error(status, code)), "\(status) \(code)")
    }
    #expect(throws: (any Error).self) { _ = try TCPSocket(url) }
    do { _ = try TCPSocket(url) } catch { #expect(RemoteFailure.isPassing(error)) }
    #expect(!RemoteFailure.isPassing(CommandError(StorageError(.corrupt, "x"), store: "s")))
  }
}
