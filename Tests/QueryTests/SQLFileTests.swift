import Foundation
import Query
import Testing

@testable import Query

/// SQL logic tests: `Tests/QueryTests/sql/*.test`, blocks parted by blank lines.
///
///     query                     error 42703
///     SELECT …                  SELECT …
///     ----                      ----
///     expected rows             a part of the message
///
/// Cells are parted by `|`; NULL is written NULL. `#` starts a comment line. Each query runs
/// over several layouts of the same rows, with and without statistics, on one and two threads:
/// all must give the same bits.
@Suite struct SQLFileTests {
  struct Case: CustomStringConvertible, Sendable {
    var file: String
    var line: Int
    var errorState: String?
    var sql: String
    var expected: [String]
    var description: String { "\(file):\(line)" }
  }

  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("sql")

  static func cases() -> [Case] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    return names.filter { $0.hasSuffix(".test") }.sorted().flatMap { name -> [Case] in
      guard let text = try? String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8) else { return [] }
      return parse(name, text)
    }
  }

  private static func parse(_ name: String, _ text: String) -> [Case] {
    var cases: [Case] = []
    var block: [(line: Int, text: String)] = []
    func close() {
      defer { block = [] }
      guard let head = block.first else { return }
      let divider = block.firstIndex { $0.text == "----" } ?? block.count
      cases.append(
        Case(
          file: name, line: head.line,
          errorState: head.text.hasPrefix("error ") ? String(head.text.dropFirst(6)) : nil,
          sql: block[1..<divider].map(\.text).joined(separator: "\n"),
          expected: block.dropFirst(divider + 1).map(\.text)))
    }
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      if line.hasPrefix("#") { continue }
      if line.isEmpty { close() } else { block.append((index + 1, String(line))) }
    }
    close()
    return cases
  }

  static let catalogs: [TestCatalog] =
    [7, 256, 600].map { TestStore.catalog(cut: $0) }
    + [1, 7, 256, 300, 600].map { TestStore.catalog(cut: $0, .blocks) } + [TestStore.catalog(cut: 300, .merged)]
    + [256, 600].map { TestStore.catalog(cut: $0, .cold) }
    + [7, 300, 600].map { TestStore.catalog(cut: $0, .shared) }

  @Test(arguments: cases()) func everyLayoutGivesTheExpectedRows(_ test: Case) throws {
    for (layout, catalog) in Self.catalogs.enumerated() {
      for threads in [1, 2] {
        do {
          let query = try QueryEngine.prepare(test.sql, catalog, nowNanos: TestStore.start + 600 * TestStore.second)
          // One run answers correlated sub-queries row by row, the other all at once.
          let patience = threads == 1 ? 0 : Int64.max
          let rows = try query.rows(limits: QueryLimits(threads: threads, patienceNanos: patience))
          let text = rows.map { $0.map { $0.text ?? "NULL" }.joined(separator: "|") }
          #expect(test.errorState == nil, "expected an error, found \(text)")
          #expect(text == test.expected, "layout \(layout), \(threads) threads")
        } catch {
          guard let state = test.errorState else {
            Issue.record("\(error.rendered(in: test.sql))")
            return
          }
          #expect(error.state.code == state, "\(error)")
          for part in test.expected { #expect("\(error.message) \(error.hint ?? "")".contains(part), "\(error)") }
        }
      }
    }
  }
}
