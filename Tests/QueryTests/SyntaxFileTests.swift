import Foundation
import Testing

@testable import Query

/// Cases of `syntax/*.test`. A case is `# name`, the query, `----` and what is expected: the canonical form,
/// `= …` for the form with all parentheses, or `ERROR state line:column` with message and hint after it.
struct SyntaxCase: CustomStringConvertible {
  var file: String
  var line: Int
  var name: String
  var query: String
  var expected: String
  var description: String { "\(file):\(line) \(name)" }

  static func all() throws -> [SyntaxCase] {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("syntax")
    let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    return try files.filter { $0.hasSuffix(".test") }.flatMap { file in
      try cases(file, String(contentsOf: folder.appendingPathComponent(file), encoding: .utf8))
    }
  }

  private static func cases(_ file: String, _ text: String) -> [SyntaxCase] {
    var result: [SyntaxCase] = []
    var current: SyntaxCase?
    var isExpected = false
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
    {
      if line.hasPrefix("# ") {
        if let current { result.append(current) }
        current = SyntaxCase(
          file: file, line: index + 1, name: String(line.dropFirst(2)), query: "", expected: "")
        isExpected = false
      } else if line == "----" {
        isExpected = true
      } else if isExpected {
        current?.expected += line + "\n"
      } else {
        current?.query += line + "\n"
      }
    }
    if let current { result.append(current) }
    return result.map { item in
      var item = item
      item.query = item.query.trimmingCharacters(in: .newlines)
      item.expected = item.expected.trimmingCharacters(in: .whitespacesAndNewlines)
      return item
    }
  }
}

@Suite struct SyntaxFileTests {
  @Test func `every case of the syntax files parses to its canonical form or fails as it says`()
    throws
  {
    let cases = try SyntaxCase.all()
    #expect(cases.count > 100)
    for item in cases {
      let found = outcome(item)
      #expect(found == item.expected, "\(item)")
    }
  }

  @Test func `canonical text parses to the same tree`() throws {
    for item in try SyntaxCase.all() {
      guard let statements = try? SQL.parseScript(item.query) else { continue }
      for statement in statements { try expectRoundTrip(statement, "\(item)") }
    }
  }

  private func outcome(_ item: SyntaxCase) -> String {
    do throws(SQLError) {
      let statements = try SQL.parseScript(item.query)
      let all = item.expected.hasPrefix("= ")
      let texts = statements.map { Printer.text(of: $0, all ? .all : .minimal) }
      return (all ? "= " : "") + texts.joined(separator: ";\n")
    } catch {
      let place = "\(error.line ?? 0):\(error.column ?? 0)"
      let hint = error.hint.map { "\nHINT \($0)" } ?? ""
      return "ERROR \(error.state) \(place) \(error.message)\(hint)"
    }
  }
}

/// Trees are compared by their fully parenthesised text, which leaves source ranges out.
func expectRoundTrip(_ statement: Statement, _ comment: String) throws {
  let minimal = Printer.text(of: statement)
  let again: Statement
  do {
    again = try SQL.parse(minimal)
  } catch {
    Issue.record("\(comment): canonical text does not parse: \(minimal): \(error)")
    return
  }
  #expect(Printer.text(of: again) == minimal, "\(comment)")
  #expect(Printer.text(of: again, .all) == Printer.text(of: statement, .all), "\(comment)")
  let bracketed = Printer.text(of: statement, .all)
  guard let reread = try? SQL.parse(bracketed) else {
    Issue.record("\(comment): bracketed text does not parse: \(bracketed)")
    return
  }
  #expect(Printer.text(of: reread) == minimal, "\(comment)")
}
