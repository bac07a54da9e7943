extension Printer {
  mutating func call(_ call: FunctionCall) {
    if call.isBare { return write(call.name.last.name) }
    functionName(call.name)
    write("(")
    arguments(of: call)
    write(")")
    if !call.withinGroup.isEmpty {
      write(" WITHIN GROUP (")
      orderBy(call.withinGroup)
      write(")")
    }
    if let filter = call.filter {
      write(" FILTER (WHERE ")
      expression(filter)
      write(")")
    }
    switch call.over {
    case .named(let name):
      write(" OVER ")
      self.name(name)
    case .inline(let window):
      write(" OVER ")
      self.window(window)
    case nil: break
    }
  }

  private mutating func functionName(_ name: ObjectName) {
    let word = name.parts.count == 1 ? Keyword.byName[name.last.name] : nil
    if word?.isReservedFunction == true { return write(name.last.name) }
    if word?.beginsSpecialForm == true { return keywordSafeName(name.last) }
    self.name(name)
  }

  private mutating func arguments(of call: FunctionCall) {
    if call.isStar { return write("*") }
    if call.isDistinct { write("DISTINCT ") }
    separated(call.arguments) { printer, argument in
      if let name = argument.name {
        printer.name(name)
        printer.write(" => ")
      }
      printer.expression(argument.value)
    }
    if !call.orderBy.isEmpty {
      write(" ")
      orderBy(call.orderBy)
    }
  }

  mutating func orderBy(_ keys: [SortKey]) {
    write("ORDER BY ")
    separated(keys) { printer, key in
      printer.expression(key.expression)
      if key.isDescending { printer.write(" DESC") }
      if let nulls = key.nulls { printer.write(" NULLS " + nulls.rawValue) }
    }
  }

  mutating func window(_ window: WindowSpecification) {
    var parts: [(inout Printer) -> Void] = []
    if let base = window.base { parts.append { $0.keywordSafeName(base) } }
    if !window.partitionBy.isEmpty {
      parts.append {
        $0.write("PARTITION BY ")
        $0.list(window.partitionBy)
      }
    }
    if !window.orderBy.isEmpty { parts.append { $0.orderBy(window.orderBy) } }
    if let frame = window.frame { parts.append { $0.frame(frame) } }
    write("(")
    separated(parts, by: " ") { printer, part in part(&printer) }
    write(")")
  }

  private mutating func frame(_ frame: WindowFrame) {
    write(frame.unit.rawValue + " BETWEEN ")
    bound(frame.start)
    write(" AND ")
    bound(frame.end)
    if let exclusion = frame.exclusion { write(" EXCLUDE " + exclusion.rawValue) }
  }

  private mutating func bound(_ bound: WindowFrame.Bound) {
    switch bound {
    case .unboundedPreceding: write("UNBOUNDED PRECEDING")
    case .unboundedFollowing: write("UNBOUNDED FOLLOWING")
    case .currentRow: write("CURRENT ROW")
    case .preceding(let distance):
      expression(distance, .other)
      write(" PRECEDING")
    case .following(let distance):
      expression(distance, .other)
      write(" FOLLOWING")
    }
  }
}
