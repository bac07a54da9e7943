/// Tree to SQL, in one canonical form: keywords upper case, names quoted only where they must be,
/// parentheses only where precedence asks for them. Parsing the result gives the same tree again.
package struct Printer {
  package enum Parentheses: Sendable {
    /// Only where needed.
    case minimal
    /// Round every operator: shows how a text was understood.
    case all
  }

  let parentheses: Parentheses
  var out = ""

  package static func text(of statement: Statement, _ parentheses: Parentheses = .minimal) -> String
  {
    var printer = Printer(parentheses: parentheses)
    printer.statement(statement)
    return printer.out
  }

  package static func text(of query: Query, _ parentheses: Parentheses = .minimal) -> String {
    var printer = Printer(parentheses: parentheses)
    printer.query(query)
    return printer.out
  }

  package static func text(
    of expression: Expression, _ parentheses: Parentheses = .minimal
  ) -> String {
    var printer = Printer(parentheses: parentheses)
    printer.expression(expression)
    return printer.out
  }

  // MARK: - Names and text

  /// A name as it must be written: quoted when it is reserved or would be folded.
  package static func quoted(_ name: String) -> String {
    var bytes = name.utf8.makeIterator()
    guard let first = bytes.next() else { return "\"\"" }
    var isPlain = Ascii.isNameStart(first) && Ascii.lowercased(first) == first
    while let byte = bytes.next(), isPlain {
      isPlain = Ascii.isNamePart(byte) && Ascii.lowercased(byte) == byte
    }
    // `e'…'` is a string; a lone e before one never stands in canonical text.
    if isPlain, Keyword.byName[name]?.isReserved != true { return name }
    return doubled(name, "\"")
  }

  /// A string literal; a backslash in it means itself.
  package static func literal(_ text: String) -> String { doubled(text, "'") }

  private static func doubled(_ text: String, _ quote: Unicode.Scalar) -> String {
    var scalars = String.UnicodeScalarView()
    scalars.append(quote)
    for scalar in text.unicodeScalars {
      if scalar == quote { scalars.append(quote) }
      scalars.append(scalar)
    }
    scalars.append(quote)
    return String(scalars)
  }

  mutating func write(_ text: String) { out += text }

  mutating func name(_ identifier: Identifier) { write(Self.quoted(identifier.name)) }

  mutating func name(_ object: ObjectName) {
    separated(object.parts, by: ".") { $0.name($1) }
  }

  /// A name of the places where any keyword would mean something else.
  mutating func keywordSafeName(_ identifier: Identifier) {
    let isKeyword = Keyword.byName[identifier.name] != nil
    write(isKeyword ? Self.doubled(identifier.name, "\"") : Self.quoted(identifier.name))
  }

  mutating func separated<Elements: Collection>(
    _ elements: Elements, by separator: String = ", ",
    _ element: (inout Printer, Elements.Element) -> Void
  ) {
    var isFirst = true
    for item in elements {
      if !isFirst { write(separator) }
      isFirst = false
      element(&self, item)
    }
  }

  mutating func list(_ expressions: [Expression]) { separated(expressions) { $0.expression($1) } }

  /// ` (a, b)`, or nothing for no names.
  mutating func names(_ names: [Identifier]) {
    guard !names.isEmpty else { return }
    write(" (")
    separated(names) { $0.name($1) }
    write(")")
  }

  mutating func clause(_ words: String, _ expression: Expression?) {
    guard let expression else { return }
    write(" \(words) ")
    self.expression(expression)
  }

  mutating func type(_ type: TypeName) {
    write(type.name == "double precision" ? type.name : Self.quoted(type.name))
    if !type.modifiers.isEmpty {
      write("(" + type.modifiers.map { String($0) }.joined(separator: ", ") + ")")
    }
    write(String(repeating: "[]", count: type.arrayDepth))
  }
}
