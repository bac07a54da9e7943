/// Random queries in the words that tsq and SQLite share, over the tables of `DifferentialTests`. Typed, so that
/// neither refuses them; integers stay small and floats are multiples of 1/8, so that both compute exactly.
struct QueryGenerator {
  enum Kind: CaseIterable { case int, float, text, bool }

  struct Column {
    var name: String
    var kind: Kind
  }

  struct Made {
    var sql: String
    var kinds: [Kind]
    var isOrdered = false
  }

  private struct Relation {
    var sql: String
    var columns: [Column]
    /// A column whose values are unique, where there is one.
    var key: String?
  }

  private var random: SeededRandom
  private var names = 0

  init(seed: UInt64) { random = SeededRandom(seed) }

  // MARK: - Chance

  private mutating func below(_ count: Int) -> Int { Int(random.next() % UInt64(count)) }
  private mutating func chance(_ percent: Int) -> Bool { below(100) < percent }
  private mutating func pick<T>(_ choices: [T]) -> T { choices[below(choices.count)] }
  private mutating func name() -> String {
    names += 1
    return "r\(names)"
  }

  // MARK: - Queries

  /// A query whose order leaves nothing open: sorted by all its columns.
  mutating func query() -> Made {
    var made = body(depth: 2, outer: [])
    guard chance(50) else { return made }
    let order = made.kinds.indices.map { index in
      "\(index + 1)\(chance(50) ? " DESC" : "") NULLS \(chance(50) ? "FIRST" : "LAST")"
    }
    made.isOrdered = true
    made.sql += " ORDER BY " + order.joined(separator: ", ")
    if chance(50) { made.sql += " LIMIT \(below(9))" + (chance(40) ? " OFFSET \(below(5))" : "") }
    return made
  }

  private mutating func body(depth: Int, outer: [Column], kinds: [Kind]? = nil) -> Made {
    if depth > 0, chance(12) {
      let left = select(depth: depth - 1, outer: outer, kinds: kinds)
      let right = select(depth: depth - 1, outer: outer, kinds: left.kinds)
      return Made(sql: "\(left.sql) \(pick(["UNION", "UNION ALL", "INTERSECT", "EXCEPT"])) \(right.sql)", kinds: left.kinds)
    }
    if depth > 0, outer.isEmpty, kinds == nil, chance(10) {
      let common = name()
      let inner = select(depth: depth - 1, outer: [], kinds: nil, alias: "c")
      let columns = inner.kinds.enumerated().map { Column(name: "\(common).c\($0)", kind: $1) }
      let items = columns.map(\.name).joined(separator: ", ")
      let filter = condition(columns, depth: 1)
      return Made(sql: "WITH \(common) AS (\(inner.sql)) SELECT \(items) FROM \(common) WHERE \(filter)", kinds: inner.kinds)
    }
    return select(depth: depth, outer: outer, kinds: kinds)
  }

  private mutating func someKinds() -> [Kind] { (0...below(3)).map { _ in pick(Kind.allCases) } }

  private mutating func select(depth: Int, outer: [Column], kinds: [Kind]?, alias: String? = nil) -> Made {
    let from = self.from(depth: depth, outer: outer)
    let kinds = kinds ?? someKinds()
    let all = from.columns + outer
    var sql = ""
    func listed(_ expressions: [String]) -> String {
      expressions.enumerated().map { alias == nil ? $1 : "\($1) AS \(alias ?? "")\($0)" }.joined(separator: ", ")
    }
    let filter = chance(60) ? " WHERE " + condition(all, depth: 2) : ""
    switch below(10) {
    case 0..<3:
      // Grouped.
      let keys = (0..<below(3)).map { _ -> (sql: String, kind: Kind) in
        let column = pick(from.columns)
        // SQLite takes an integer, however it is written, for a position.
        return ("coalesce(\(column.name), \(expression(column.kind, from.columns, depth: 1)))", column.kind)
      }
      let items = kinds.map { kind -> String in
        if let key = keys.first(where: { $0.kind == kind }), chance(50) { return key.sql }
        return aggregate(kind, from.columns)
      }
      sql = "SELECT \(listed(items)) FROM \(from.sql)\(filter)"
      if !keys.isEmpty { sql += " GROUP BY " + keys.map(\.sql).joined(separator: ", ") }
      if chance(25) { sql += " HAVING \(aggregate(.int, from.columns)) \(comparison()) \(below(6))" }
    case 3..<5 where from.key != nil && outer.isEmpty:
      let items = kinds.map { window($0, from) }
      sql = "SELECT \(listed(items)) FROM \(from.sql)\(filter)"
    default:
      let items = kinds.map { expression($0, all, depth: depth + 1) }
      sql = "SELECT \(chance(15) ? "DISTINCT " : "")\(listed(items)) FROM \(from.sql)\(filter)"
    }
    return Made(sql: sql, kinds: kinds)
  }

  // MARK: - FROM

  private mutating func from(depth: Int, outer: [Column]) -> Relation {
    var result = relation(depth: depth)
    // SQLite 3.40 loses rows of a RIGHT or FULL JOIN that stands behind or before another join.
    if chance(15) {
      let (left, right) = (relation(depth: 0), relation(depth: 0))
      let column = pick(["id", "a", "b"])
      let pair = "\(left.key ?? "1") = \(right.columns.first { $0.name.hasSuffix(".\(column)") }?.name ?? "1")"
      return Relation(
        sql: "\(left.sql) \(pick(["RIGHT", "FULL"])) JOIN \(right.sql) ON \(pair)", columns: left.columns + right.columns)
    }
    for _ in 0..<(chance(45) ? 1 + below(2) : 0) {
      let other = relation(depth: depth - 1)
      let columns = result.columns + other.columns
      let word = pick(["JOIN", "LEFT JOIN", "CROSS JOIN"])
      result.sql += " \(word) \(other.sql)"
      if word != "CROSS JOIN" { result.sql += " ON \(joinCondition(result.columns, other.columns))" }
      result.columns = columns
      // What pairs rows has no unique column of its own.
      result.key = nil
    }
    return result
  }

  private mutating func joinCondition(_ left: [Column], _ right: [Column]) -> String {
    let pairs = left.flatMap { a in right.filter { $0.kind == a.kind }.map { (a.name, $0.name) } }
    var terms: [String] = []
    if !pairs.isEmpty, chance(85) {
      let pair = pick(pairs)
      terms.append("\(pair.0) = \(pair.1)")
    }
    if terms.isEmpty || chance(30) { terms.append(condition(left + right, depth: 0)) }
    return terms.joined(separator: " AND ")
  }

  private mutating func relation(depth: Int) -> Relation {
    let alias = name()
    if depth > 0, chance(20) {
      let inner = select(depth: depth - 1, outer: [], kinds: nil, alias: "c")
      let columns = inner.kinds.enumerated().map { Column(name: "\(alias).c\($0)", kind: $1) }
      return Relation(sql: "(\(inner.sql)) \(alias)", columns: columns)
    }
    let table = pick(["t", "t", "u", "v"])
    let columns: [(String, Kind)] = [("id", .int), ("a", .int), ("b", .int), ("x", .float), ("s", .text), ("f", .bool)]
    return Relation(
      sql: "\(table) \(alias)", columns: columns.map { Column(name: "\(alias).\($0)", kind: $1) }, key: "\(alias).id")
  }

  // MARK: - Functions over rows

  private mutating func aggregate(_ kind: Kind, _ columns: [Column]) -> String {
    func argument(_ kind: Kind) -> String { expression(kind, columns, depth: 1) }
    let call: String
    switch kind {
    case .int:
      call = pick([
        "count(*)", "count(\(argument(.text)))", "sum(\(argument(.int)))", "min(\(argument(.int)))", "max(\(argument(.int)))",
        "count(DISTINCT \(argument(.int)))",
      ])
    case .float: call = pick(["avg(\(argument(.int)))", "sum(\(argument(.float)))", "min(\(argument(.float)))", "max(\(argument(.float)))"])
    case .text: call = pick(["min(\(argument(.text)))", "max(\(argument(.text)))"])
    case .bool: return "(\(aggregate(.int, columns)) \(comparison()) \(below(9)))"
    }
    return chance(20) ? "\(call) FILTER (WHERE \(condition(columns, depth: 0)))" : call
  }

  private mutating func window(_ kind: Kind, _ from: Relation) -> String {
    let key = from.key ?? "1"
    let partition = chance(50) ? "PARTITION BY \(expression(pick([.int, .text, .bool]), from.columns, depth: 0)) " : ""
    func column(_ kind: Kind) -> String { expression(kind, from.columns, depth: 0) }
    let total = "OVER (\(partition)ORDER BY \(chance(50) ? "\(column(.int)) NULLS LAST, " : "")\(key)\(chance(30) ? " DESC" : ""))"
    switch kind {
    case .int:
      switch below(4) {
      case 0: return "\(pick(["row_number", "rank", "dense_rank"]))() \(total)"
      case 1: return "\(pick(["lag", "lead"]))(\(column(.int)), \(below(3)), \(below(9))) \(total)"
      case 2: return "ntile(\(1 + below(4))) \(total)"
      default:
        let function = pick(["count(*)", "sum(\(column(.int)))", "min(\(column(.int)))", "max(\(column(.int)))", "count(\(column(.text)))"])
        return "\(function) \(framed(partition, from))"
      }
    case .float:
      let function = pick(["avg(\(column(.int)))", "sum(\(column(.float)))", "min(\(column(.float)))", "max(\(column(.float)))"])
      return "\(function) \(framed(partition, from))"
    case .text: return "\(pick(["first_value", "last_value"]))(\(column(.text))) \(total)"
    case .bool: return "(row_number() \(total) \(comparison()) \(below(9)))"
    }
  }

  private mutating func framed(_ partition: String, _ from: Relation) -> String {
    let unit = pick(["ROWS", "RANGE", "GROUPS"])
    // Peers are together in a frame of values or groups, so any column may give the order.
    let order = unit == "ROWS" ? from.key ?? "1" : expression(.int, from.columns, depth: 0)
    let starts = ["UNBOUNDED PRECEDING", "\(below(4)) PRECEDING", "CURRENT ROW", "\(below(3)) FOLLOWING"]
    let ends = ["\(below(3)) PRECEDING", "CURRENT ROW", "\(below(4)) FOLLOWING", "UNBOUNDED FOLLOWING"]
    let start = below(4)
    let end = max(start == 0 ? 0 : start == 1 ? 0 : start - 1, below(4))
    let exclusion = pick(["", "", "", " EXCLUDE CURRENT ROW", " EXCLUDE GROUP", " EXCLUDE TIES"])
    return
      "OVER (\(partition)ORDER BY \(order) \(chance(30) ? "DESC" : "ASC") NULLS \(chance(50) ? "FIRST" : "LAST") \(unit) BETWEEN \(starts[start]) AND \(ends[end])\(exclusion))"
  }

  // MARK: - Expressions

  private mutating func comparison() -> String { pick(["=", "<>", "<", "<=", ">", ">="]) }

  private mutating func condition(_ columns: [Column], depth: Int) -> String { expression(.bool, columns, depth: depth) }

  private mutating func leaf(_ kind: Kind, _ columns: [Column]) -> String {
    let found = columns.filter { $0.kind == kind }
    if !found.isEmpty, chance(80) { return pick(found).name }
    switch kind {
    case .int: return chance(10) ? "CAST(NULL AS bigint)" : "\(below(12))"
    case .float: return pick(["0.25", "1.5", "-2.125", "3.0"])
    case .text: return pick(["''", "'a'", "'ab'", "'B'", "'ä'"])
    case .bool: return pick(["TRUE", "FALSE"])
    }
  }

  mutating private func expression(_ kind: Kind, _ columns: [Column], depth: Int) -> String {
    if depth <= 0 || chance(25) { return kind == .bool && depth >= 0 && chance(70) ? test(columns, depth: 0) : leaf(kind, columns) }
    func inner(_ kind: Kind) -> String { expression(kind, columns, depth: depth - 1) }
    switch below(10) {
    case 0: return "CASE WHEN \(inner(.bool)) THEN \(inner(kind)) \(chance(70) ? "ELSE \(inner(kind)) " : "")END"
    case 1: return "coalesce(\(inner(kind)), \(inner(kind)))"
    case 2 where kind != .bool: return "nullif(\(inner(kind)), \(inner(kind)))"
    case 3 where depth > 1: return scalar(kind, columns, depth: depth - 1)
    default: break
    }
    switch kind {
    case .int:
      switch below(6) {
      case 0: return "(\(inner(.int)) \(pick(["+", "-"])) \(inner(.int)))"
      case 1: return "(\(inner(.int)) * \(below(4)))"
      case 2: return "(\(inner(.int)) \(pick(["/", "%"])) \(pick(["2", "3", "-2", "7"])))"
      case 3: return "abs(\(inner(.int)))"
      case 4: return "length(\(inner(.text)))"
      default: return "(- \(inner(.int)))"
      }
    case .float: return pick(["(\(inner(.float)) + \(inner(.float)))", "(\(inner(.float)) * 0.5)", "(\(inner(.int)) + \(inner(.float)))", "abs(\(inner(.float)))"])
    case .text:
      return pick([
        "(\(inner(.text)) || \(inner(.text)))", "lower(\(inner(.text)))", "substr(\(inner(.text)), 1, 2)",
        "replace(\(inner(.text)), 'a', 'bb')", "trim(\(inner(.text)))",
      ])
    case .bool: return test(columns, depth: depth)
    }
  }

  private mutating func test(_ columns: [Column], depth: Int) -> String {
    func inner(_ kind: Kind) -> String { expression(kind, columns, depth: depth - 1) }
    switch below(depth > 0 ? 14 : 7) {
    case 0, 1: return "(\(inner(.int)) \(comparison()) \(inner(.int)))"
    case 2: return "(\(inner(.float)) \(comparison()) \(inner(.float)))"
    case 3: return "(\(inner(.text)) \(comparison()) \(inner(.text)))"
    case 4: return "(\(inner(pick([.int, .text, .float]))) IS \(pick(["", "NOT "]))NULL)"
    case 5: return "(\(inner(.int)) \(pick(["", "NOT "]))IN (\(below(5)), \(below(9))\(chance(20) ? ", NULL" : "")))"
    case 6: return "(\(inner(.int)) \(pick(["", "NOT "]))BETWEEN \(inner(.int)) AND \(inner(.int)))"
    case 7: return "(\(inner(.text)) \(pick(["", "NOT "]))LIKE \(pick(["'a%'", "'%b%'", "'_'", "'%'"])))"
    case 8: return "(NOT \(inner(.bool)))"
    case 9, 10: return "(\(inner(.bool)) \(pick(["AND", "OR"])) \(inner(.bool)))"
    case 11:
      let found = select(depth: 0, outer: columns, kinds: nil)
      return "(\(pick(["", "NOT "]))EXISTS (\(found.sql)))"
    case 12:
      let kind = pick([Kind.int, .text])
      let found = select(depth: 0, outer: chance(50) ? columns : [], kinds: [kind])
      return "(\(inner(kind)) \(pick(["", "NOT "]))IN (\(found.sql)))"
    default: return "(\(inner(.int)) IS \(pick(["", "NOT "]))DISTINCT FROM \(inner(.int)))"
    }
  }

  /// A sub-query of one row: an aggregate, or the first of a total order.
  private mutating func scalar(_ kind: Kind, _ columns: [Column], depth: Int) -> String {
    let from = relation(depth: 0)
    let filter = " WHERE " + condition(from.columns + columns, depth: 1)
    if kind != .bool, chance(70) { return "(SELECT \(aggregate(kind, from.columns)) FROM \(from.sql)\(filter))" }
    return "(SELECT \(expression(kind, from.columns + columns, depth: 1)) FROM \(from.sql)\(filter) ORDER BY \(from.key ?? "1") LIMIT 1)"
  }
}
