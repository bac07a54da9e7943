/// The words of time series: SAMPLE BY, LATEST ON, and reading a table as of another time.
extension Parser {
  /// `LATEST ON ts PARTITION BY a, b`.
  mutating func latestOn() throws(SQLError) -> LatestOn {
    let from = start
    advance()
    guard accept(.on) else {
      throw expected(
        "ON after LATEST", words: [.on], hint: "write LATEST ON ts PARTITION BY sensor")
    }
    let time = try expression()
    guard accept(.partition) else {
      throw expected(
        "PARTITION BY", words: [.partition], hint: "write LATEST ON ts PARTITION BY sensor, probe")
    }
    try expect(.by, "after PARTITION")
    let keys = try list { p throws(SQLError) in try p.expression() }
    return LatestOn(time: time, partitionBy: keys, range: range(from: from))
  }

  /// `SAMPLE BY step [FROM t] [TO t] [FILL(…)] [ALIGN TO …]`.
  mutating func sampleBy() throws(SQLError) -> SampleBy {
    let from = start
    advance()
    advance()
    var sample = SampleBy(step: try step(), range: current.range)
    if at(.from) {
      advance()
      sample.from = try expression()
    }
    if accept(.to) { sample.to = try expression() }
    if accept(.fill) { sample.fill = try parenthesized { p throws(SQLError) in try p.fill() } }
    if accept(.align) { sample.alignment = try alignment() }
    sample.range = range(from: from)
    return sample
  }

  private mutating func step() throws(SQLError) -> Interval {
    let token = current
    let step = accept(.interval) ? try interval() : try duration()
    guard step.isPositive else {
      throw SQLError(
        .invalidParameterValue, "the step of SAMPLE BY must be longer than nothing", at: token.range
      )
    }
    return step
  }

  private mutating func fill() throws(SQLError) -> SampleBy.Fill {
    if at(.word), peek().kind == .comma || peek().kind == .rightParen {
      switch Lexer.name(of: current, in: source) {
      case "none":
        advance()
        return .none
      case "null":
        advance()
        return .null
      case "prev", "previous":
        advance()
        return .previous
      case "linear":
        advance()
        return .linear
      case let name where current.keyword == nil:
        throw expected(
          "NONE, NULL, PREV, LINEAR or a value in FILL",
          hint: Suggestion.hint(for: name, among: ["none", "null", "prev", "linear"]))
      default: break
      }
    }
    return .value(try expression())
  }

  private mutating func alignment() throws(SQLError) -> SampleBy.Alignment {
    try expect(.to, "after ALIGN")
    if accept(.first) {
      try expect(.observation, "after FIRST")
      return .firstObservation
    }
    guard accept(.calendar) else {
      throw expected("CALENDAR or FIRST OBSERVATION", words: [.calendar, .first])
    }
    var zone: Expression?
    if accept(.time) {
      try expect(.zone, "after TIME")
      zone = try expression()
    }
    let offset = accept(.with, .offset) ? try expression() : nil
    return .calendar(timeZone: zone, offset: offset)
  }

  // MARK: - Time travel

  /// The `FOR SYSTEM_TIME AS OF`, `WITH REGISTRY AT` and `AS KNOWN AT` that stand here, in any order.
  mutating func timeTravel(_ travel: inout TimeTravel) throws(SQLError) {
    while true {
      if at(.for) {
        guard at(.for, .systemTime) else { return }
        guard travel.systemTime == nil else { throw repeated("FOR SYSTEM_TIME") }
        advance()
        advance()
        guard accept(.as, .of) else { throw expected("AS OF after FOR SYSTEM_TIME", words: [.as]) }
        travel.systemTime = try expression()
      } else if at(.with, .registry) {
        guard travel.registryAt == nil else { throw repeated("WITH REGISTRY") }
        advance()
        advance()
        try expect(.at, "after WITH REGISTRY")
        travel.registryAt = try expression()
      } else if at(.as, .known, .at) {
        guard travel.knownAt == nil else { throw repeated("AS KNOWN AT") }
        for _ in 0..<3 { advance() }
        travel.knownAt = try expression()
      } else {
        return
      }
    }
  }

  /// `HISTORY OF DEVICE id`.
  mutating func deviceHistory() throws(SQLError) -> TableReference {
    let from = start
    advance()
    advance()
    try expect(.device, "after HISTORY OF")
    let outer = try enter()
    let device = try expression()
    try leave(outer)
    return TableReference(kind: .deviceHistory(device), range: range(from: from))
  }
}
