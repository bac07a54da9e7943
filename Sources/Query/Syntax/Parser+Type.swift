/// Type names.
extension Parser {
  mutating func typeName() throws(SQLError) -> TypeName {
    let first = try objectName("a type")
    var type = TypeName(TypeName.canonical(first.last.name))
    switch first.last.name {
    case "double": if accept(.precision) { type.name = "double precision" }
    case "character", "char": if accept(.varying) { type.name = "varchar" }
    default: break
    }
    if accept(.leftParen) {
      type.modifiers = try list { p throws(SQLError) in try p.typeModifier() }
      try expect(.rightParen, "\")\"")
    }
    if type.name == "timestamp" || type.name == "time" {
      if accept(.with, .time, .zone) {
        type.name += "tz"
      } else {
        _ = accept(.without, .time, .zone)
      }
    }
    while at(.leftBracket) {
      advance()
      try expect(.rightBracket, "\"]\"")
      type.arrayDepth += 1
      try grow()
    }
    return type
  }

  private mutating func typeModifier() throws(SQLError) -> Int {
    guard at(.integer), case .integer(let value) = try Lexer.literal(of: current, in: source),
      0...1000 ~= value
    else { throw expected("a number up to 1000") }
    advance()
    return Int(value)
  }
}

extension TypeName {
  /// One spelling for PostgreSQL's synonyms.
  static func canonical(_ name: String) -> String {
    switch name {
    case "integer", "int4": "int"
    case "int8": "bigint"
    case "int2": "smallint"
    case "float8", "float", "double": "double precision"
    case "float4": "real"
    case "bool": "boolean"
    case "decimal", "dec": "numeric"
    case "character": "char"
    default: name
    }
  }
}
