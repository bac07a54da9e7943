/// Regular expressions for `~`, matched in O(pattern x text) whatever the pattern: Thompson's
/// construction, simulated on sets of states (Russ Cox, "Regular Expression Matching Can Be Simple
/// And Fast"). Literals, `.`, `[…]`, `\d \w \s \b`-free escapes, `* + ? {m,n}`, `( | )`, `^ $`.
package struct RegexPattern: Sendable {
  private indirect enum Node {
    case empty
    case scalar(Match)
    case start, end
    case sequence([Node])
    case choice([Node])
    case repeated(Node, Int, Int?)
  }

  private enum Match: Sendable {
    case any
    case one(Unicode.Scalar)
    case set([ClosedRange<UInt32>], negated: Bool)

    func accepts(_ scalar: Unicode.Scalar) -> Bool {
      switch self {
      case .any: true
      case .one(let wanted): wanted == scalar
      case .set(let ranges, let negated): ranges.contains { $0.contains(scalar.value) } != negated
      }
    }
  }

  private enum Instruction: Sendable {
    case match(Match)
    case split(Int, Int)
    case jump(Int)
    case start, end, accept
  }

  private var program: [Instruction] = []
  /// Nodes compiled, counting repetitions: `(){255}{255}…` makes many without an instruction.
  private var steps = 0
  private let caseInsensitive: Bool
  /// Bounds compiled size and so the time of a match.
  private static let maxInstructions = 5_000

  /// nil when the pattern is no regular expression of this dialect, or too large.
  package init?(_ pattern: String, caseInsensitive: Bool = false) {
    self.caseInsensitive = caseInsensitive
    var parser = Parser(scalars: Array((caseInsensitive ? pattern.lowercased() : pattern).unicodeScalars))
    guard let node = parser.choice(depth: 0), parser.at == parser.scalars.count, emit(node) else { return nil }
    program.append(.accept)
  }

  /// Whether some part of `text` matches.
  package func matches(_ text: String) -> Bool {
    let scalars = Array((caseInsensitive ? text.lowercased() : text).unicodeScalars)
    var current: [Int] = []
    var next: [Int] = []
    var seen = [Int](repeating: -1, count: program.count)
    for position in 0...scalars.count {
      // A match may begin anywhere.
      if add(0, position, scalars.count, &current, &seen) { return true }
      guard position < scalars.count else { return false }
      next.removeAll(keepingCapacity: true)
      for state in current {
        if case .match(let match) = program[state], match.accepts(scalars[position]),
          add(state + 1, position + 1, scalars.count, &next, &seen)
        {
          return true
        }
      }
      swap(&current, &next)
    }
    return false
  }

  /// Adds `state` and all it leads to without reading; true when that accepts.
  private func add(
    _ state: Int, _ position: Int, _ end: Int, _ states: inout [Int], _ seen: inout [Int]
  ) -> Bool {
    var stack = [state]
    while let state = stack.popLast() {
      if seen[state] == position { continue }
      seen[state] = position
      switch program[state] {
      case .accept: return true
      case .jump(let target): stack.append(target)
      case .split(let first, let second):
        stack.append(second)
        stack.append(first)
      case .start: if position == 0 { stack.append(state + 1) }
      case .end: if position == end { stack.append(state + 1) }
      case .match: states.append(state)
      }
    }
    return false
  }

  private mutating func emit(_ node: Node) -> Bool {
    steps += 1
    guard program.count < Self.maxInstructions, steps < 20 * Self.maxInstructions else { return false }
    switch node {
    case .empty: return true
    case .scalar(let match): program.append(.match(match))
    case .start: program.append(.start)
    case .end: program.append(.end)
    case .sequence(let parts): return parts.allSatisfy { emit($0) }
    case .choice(let branches):
      var exits: [Int] = []
      for (index, branch) in branches.enumerated() {
        let split = program.count
        let isLast = index == branches.count - 1
        if !isLast { program.append(.split(split + 1, 0)) }
        guard emit(branch) else { return false }
        if !isLast {
          exits.append(program.count)
          program.append(.jump(0))
          program[split] = .split(split + 1, program.count)
        }
      }
      for exit in exits { program[exit] = .jump(program.count) }
    case .repeated(let part, let low, let high):
      for _ in 0..<low { guard emit(part) else { return false } }
      if let high {
        var splits: [Int] = []
        for _ in low..<high {
          splits.append(program.count)
          program.append(.split(program.count + 1, 0))
          guard emit(part) else { return false }
        }
        for split in splits { program[split] = .split(split + 1, program.count) }
      } else {
        let split = program.count
        program.append(.split(split + 1, 0))
        guard emit(part) else { return false }
        program.append(.jump(split))
        program[split] = .split(split + 1, program.count)
      }
    }
    return true
  }

  private struct Parser {
    let scalars: [Unicode.Scalar]
    var at = 0
    init(scalars: [Unicode.Scalar]) { self.scalars = scalars }

    var peek: Unicode.Scalar? { at < scalars.count ? scalars[at] : nil }

    mutating func take(_ scalar: Unicode.Scalar) -> Bool {
      guard peek == scalar else { return false }
      at += 1
      return true
    }

    mutating func choice(depth: Int) -> Node? {
      guard depth < 50 else { return nil }
      var branches: [Node] = []
      repeat {
        guard let branch = sequence(depth) else { return nil }
        branches.append(branch)
      } while take("|")
      return branches.count == 1 ? branches[0] : .choice(branches)
    }

    private mutating func sequence(_ depth: Int) -> Node? {
      var parts: [Node] = []
      while let scalar = peek, scalar != "|", scalar != ")" {
        guard var part = atom(depth) else { return nil }
        var quantifiers = 0
        while let (low, high) = quantifier() {
          // Each nests the node once more, and nodes are walked by recursion.
          quantifiers += 1
          guard quantifiers <= 10 else { return nil }
          guard low <= 255, (high ?? 0) <= 255, high.map({ $0 >= low }) ?? true else { return nil }
          part = .repeated(part, low, high)
        }
        parts.append(part)
      }
      return parts.isEmpty ? .empty : .sequence(parts)
    }

    private mutating func quantifier() -> (Int, Int?)? {
      if take("*") { return (0, nil) }
      if take("+") { return (1, nil) }
      if take("?") { return (0, 1) }
      guard peek == "{" else { return nil }
      let start = at
      at += 1
      let low = number()
      let high = take(",") ? number() : low
      let isOpen = scalars[at - 1] == ","
      guard let low, take("}") else {
        at = start
        return nil
      }
      return (low, isOpen ? nil : high)
    }

    private mutating func number() -> Int? {
      var value: Int?
      while let scalar = peek, ("0"..."9").contains(scalar), (value ?? 0) < 1_000 {
        value = (value ?? 0) * 10 + Int(scalar.value - 48)
        at += 1
      }
      return value
    }

    private mutating func atom(_ depth: Int) -> Node? {
      guard let scalar = peek else { return nil }
      at += 1
      switch scalar {
      case ".": return .scalar(.any)
      case "^": return .start
      case "$": return .end
      case "(":
        if at + 1 < scalars.count, scalars[at] == "?", scalars[at + 1] == ":" { at += 2 }
        guard let node = choice(depth: depth + 1), take(")") else { return nil }
        return node
      case "[": return set()
      case "\\":
        guard let escaped = peek else { return nil }
        at += 1
        if let (ranges, negated) = Self.classes(escaped) { return .scalar(.set(ranges, negated: negated)) }
        guard !escaped.properties.isAlphabetic, !("0"..."9").contains(escaped) else { return nil }
        return .scalar(.one(escaped))
      case "*", "+", "?": return nil
      default: return .scalar(.one(scalar))
      }
    }

    private static func classes(_ scalar: Unicode.Scalar) -> ([ClosedRange<UInt32>], Bool)? {
      let word: [ClosedRange<UInt32>] = [48...57, 65...90, 95...95, 97...122]
      return switch scalar {
      case "d": ([48...57], false)
      case "D": ([48...57], true)
      case "w": (word, false)
      case "W": (word, true)
      case "s": ([9...13, 32...32], false)
      case "S": ([9...13, 32...32], true)
      default: nil
      }
    }

    private mutating func set() -> Node? {
      let negated = take("^")
      var ranges: [ClosedRange<UInt32>] = []
      var isFirst = true
      while let scalar = peek, scalar != "]" || isFirst {
        isFirst = false
        at += 1
        var low = scalar
        if scalar == "\\" {
          guard let escaped = peek else { return nil }
          at += 1
          if let (members, inverted) = Self.classes(escaped), !inverted {
            ranges += members
            continue
          }
          low = escaped
        }
        if peek == "-", at + 1 < scalars.count, scalars[at + 1] != "]" {
          let high = scalars[at + 1]
          guard high.value >= low.value else { return nil }
          at += 2
          ranges.append(low.value...high.value)
        } else {
          ranges.append(low.value...low.value)
        }
      }
      return take("]") ? .scalar(.set(ranges, negated: negated)) : nil
    }
  }
}
