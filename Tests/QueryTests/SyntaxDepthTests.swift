import Testing

@testable import Query

@Suite struct SyntaxDepthTests {
  /// Each makes a text of any depth.
  private static let shapes: [@Sendable (Int) -> String] = [
    { String(repeating: "(", count: $0) + "1" + String(repeating: ")", count: $0) },
    { String(repeating: "NOT ", count: $0) + "a" },
    { String(repeating: "- ", count: $0) + "a" },
    { "1" + String(repeating: " + 1", count: $0) },
    { "1" + String(repeating: "::int", count: $0) },
    { "a" + String(repeating: "[1", count: $0) + String(repeating: "]", count: $0) },
    { "a" + String(repeating: "[1]", count: $0) },
    { String(repeating: "f(", count: $0) + "1" + String(repeating: ")", count: $0) },
    { String(repeating: "CASE WHEN ", count: $0) + "a" },
    { String(repeating: "(SELECT ", count: $0) + "1" + String(repeating: ")", count: $0) },
    { String(repeating: "((SELECT 1) + ", count: $0) + "1" + String(repeating: ")", count: $0) },
    { "(SELECT 1" + String(repeating: " UNION SELECT 1", count: $0) + ")" },
    { "(SELECT 1 FROM t" + String(repeating: " CROSS JOIN t", count: $0) + ")" },
    {
      "(SELECT 1 FROM " + String(repeating: "(", count: $0) + "t"
        + String(repeating: ")", count: $0) + ")"
    },
    { "(SELECT 1 FROM t x" + String(repeating: " JOIN (t", count: $0) },
    { "(WITH a AS " + String(repeating: "(WITH a AS ", count: $0) },
    { "ARRAY" + String(repeating: "[ARRAY", count: $0) },
    { "1" + String(repeating: " = 1 AND (1", count: $0) },
    { "x IN " + String(repeating: "(", count: $0) + "1" },
    { "x::int" + String(repeating: "[]", count: $0) },
  ]

  @Test func `nesting without bound is refused with 54001 or as bad syntax`() {
    for (index, shape) in Self.shapes.enumerated() {
      for depth in [2_000, 20_000] {
        let text = "SELECT " + shape(depth)
        do throws(SQLError) {
          _ = try SQL.parseScript(text)
          Issue.record("shape \(index) was taken at depth \(depth)")
        } catch {
          #expect(error.state == .statementTooComplex, "shape \(index): \(error.message)")
        }
      }
    }
  }

  @Test func `what the limits let pass parses, prints and is freed`() throws {
    for (index, shape) in Self.shapes.enumerated() {
      for depth in [1, 40, 90, 199, 450] {
        guard let statement = try? SQL.parse("SELECT " + shape(depth)) else { continue }
        let text = Printer.text(of: statement)
        #expect(try Printer.text(of: SQL.parse(text)) == text, "shape \(index) at \(depth)")
        // The form with all parentheses nests deeper than the text did.
        if depth <= 40 { try expectRoundTrip(statement, "shape \(index) at \(depth)") }
      }
    }
    _ = try SQL.parse("SELECT " + Self.shapes[0](90))
    _ = try SQL.parse("SELECT " + Self.shapes[3](450))
  }

  @Test func `long flat lists are no depth`() throws {
    let terms = Array(repeating: "a = 1", count: 20_000)
    _ = try SQL.parse("SELECT 1 WHERE " + terms.joined(separator: " OR "))
    _ = try SQL.parse("SELECT 1 WHERE " + terms.joined(separator: " AND "))
    _ = try SQL.parse(
      "INSERT INTO t VALUES " + Array(repeating: "(1, -2)", count: 20_000).joined(separator: ","))
    _ = try SQL.parse(
      "SELECT a IN (" + Array(repeating: "1", count: 20_000).joined(separator: ",") + ")")
    #expect(try SQL.parseScript(String(repeating: "SELECT 1;", count: 20_000)).count == 20_000)
  }
}
