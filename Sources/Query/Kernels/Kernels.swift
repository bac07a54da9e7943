/// Loops over vectors. Each is chosen once, when a query is prepared, and then runs over whole
/// batches; `body` is inlined, so a kernel is one tight loop of its operation and types.

/// Computes `out` from two vectors; true when some row failed (overflow, division by zero), which
/// may be a row that is null or does not matter: the node looks closer.
typealias BinaryKernel = @Sendable (_ a: Vector, _ b: Vector, _ out: Vector, _ count: Int) -> Bool
typealias UnaryKernel = @Sendable (_ a: Vector, _ out: Vector, _ count: Int) -> Bool

@inline(__always)
func mapSlots(
  _ a: Vector, _ b: Vector, _ out: Vector, _ count: Int, _ body: (Int64, Int64) -> Int64
) {
  precondition(count >= 0 && count <= Vector.capacity, "rows of a batch")
  // SAFETY: count ≤ capacity, the length of all three allocations.
  let (x, y, z) = unsafe (a.slots, b.slots, out.slots)
  for row in 0..<count { unsafe z[row] = body(x[row], y[row]) }
}

@inline(__always)
func mapSlots(_ a: Vector, _ out: Vector, _ count: Int, _ body: (Int64) -> Int64) {
  precondition(count >= 0 && count <= Vector.capacity, "rows of a batch")
  // SAFETY: count ≤ capacity, the length of both allocations.
  let (x, z) = unsafe (a.slots, out.slots)
  for row in 0..<count { unsafe z[row] = body(x[row]) }
}

@inline(__always)
func mapDoubles(
  _ a: Vector, _ b: Vector, _ out: Vector, _ count: Int, _ body: (Double, Double) -> Double
) {
  mapSlots(a, b, out, count) { slot(of: body(double($0), double($1))) }
}

// MARK: - Arithmetic

enum ArithmeticKernels {
  static func integer(_ operation: Arithmetic) -> BinaryKernel {
    switch operation {
    case .add:
      { a, b, out, count in
        var sign: Int64 = 0
        mapSlots(a, b, out, count) { x, y in
          let sum = x &+ y
          sign |= (x ^ sum) & (y ^ sum)
          return sum
        }
        return sign < 0
      }
    case .subtract:
      { a, b, out, count in
        var sign: Int64 = 0
        mapSlots(a, b, out, count) { x, y in
          let difference = x &- y
          sign |= (x ^ y) & (x ^ difference)
          return difference
        }
        return sign < 0
      }
    case .multiply:
      { a, b, out, count in
        var failed = false
        mapSlots(a, b, out, count) { x, y in
          let (product, overflow) = x.multipliedReportingOverflow(by: y)
          failed = failed || overflow
          return product
        }
        return failed
      }
    case .divide:
      { a, b, out, count in
        var failed = false
        mapSlots(a, b, out, count) { x, y in
          let (quotient, overflow) = x.dividedReportingOverflow(by: y)
          failed = failed || overflow
          return quotient
        }
        return failed
      }
    case .modulo:
      { a, b, out, count in
        var failed = false
        mapSlots(a, b, out, count) { x, y in
          // Int64.min % -1 is 0, which the instruction cannot say.
          if y == -1 { return 0 }
          let (rest, overflow) = x.remainderReportingOverflow(dividingBy: y)
          failed = failed || overflow
          return rest
        }
        return failed
      }
    case .power:
      { _, _, _, _ in true }
    }
  }

  /// Why `x operation y` has no answer, or nil when it has one.
  static func integerFailure(_ operation: Arithmetic, _ x: Int64, _ y: Int64) -> SQLError? {
    let overflow =
      switch operation {
      case .add: x.addingReportingOverflow(y).overflow
      case .subtract: x.subtractingReportingOverflow(y).overflow
      case .multiply: x.multipliedReportingOverflow(by: y).overflow
      case .divide, .modulo, .power: y != 0 && operation == .divide && x == .min && y == -1
      }
    if (operation == .divide || operation == .modulo) && y == 0 { return .divisionByZero() }
    return overflow ? .integerOverflow() : nil
  }

  static func float(_ operation: Arithmetic) -> BinaryKernel {
    switch operation {
    case .add: { mapDoubles($0, $1, $2, $3, +); return false }
    case .subtract: { mapDoubles($0, $1, $2, $3, -); return false }
    case .multiply: { mapDoubles($0, $1, $2, $3, *); return false }
    case .divide:
      { a, b, out, count in
        var hasZero = false
        mapDoubles(a, b, out, count) { x, y in
          hasZero = hasZero || y == 0
          return x / y
        }
        return hasZero
      }
    case .modulo:
      { a, b, out, count in
        var hasZero = false
        mapDoubles(a, b, out, count) { x, y in
          hasZero = hasZero || y == 0
          return x.truncatingRemainder(dividingBy: y)
        }
        return hasZero
      }
    case .power: { mapDoubles($0, $1, $2, $3, powerOf); return false }
    }
  }

  static func floatFailure(_ operation: Arithmetic, _ y: Double) -> SQLError? {
    (operation == .divide || operation == .modulo) && y == 0 ? .divisionByZero() : nil
  }
}

// MARK: - Comparison

enum ComparisonKernels {
  static func integer(_ operation: Comparison) -> BinaryKernel {
    switch operation {
    case .equal: { mapSlots($0, $1, $2, $3) { $0 == $1 ? 1 : 0 }; return false }
    case .notEqual: { mapSlots($0, $1, $2, $3) { $0 != $1 ? 1 : 0 }; return false }
    case .less: { mapSlots($0, $1, $2, $3) { $0 < $1 ? 1 : 0 }; return false }
    case .lessOrEqual: { mapSlots($0, $1, $2, $3) { $0 <= $1 ? 1 : 0 }; return false }
    case .greater: { mapSlots($0, $1, $2, $3) { $0 > $1 ? 1 : 0 }; return false }
    case .greaterOrEqual: { mapSlots($0, $1, $2, $3) { $0 >= $1 ? 1 : 0 }; return false }
    }
  }

  /// Floats by the total order of `orderedKey`: NaN equals NaN and is above all.
  static func float(_ operation: Comparison) -> BinaryKernel {
    switch operation {
    case .equal: { mapSlots($0, $1, $2, $3) { orderedKey(double($0)) == orderedKey(double($1)) ? 1 : 0 }; return false }
    case .notEqual: { mapSlots($0, $1, $2, $3) { orderedKey(double($0)) != orderedKey(double($1)) ? 1 : 0 }; return false }
    case .less: { mapSlots($0, $1, $2, $3) { orderedKey(double($0)) < orderedKey(double($1)) ? 1 : 0 }; return false }
    case .lessOrEqual: { mapSlots($0, $1, $2, $3) { orderedKey(double($0)) <= orderedKey(double($1)) ? 1 : 0 }; return false }
    case .greater: { mapSlots($0, $1, $2, $3) { orderedKey(double($0)) > orderedKey(double($1)) ? 1 : 0 }; return false }
    case .greaterOrEqual: { mapSlots($0, $1, $2, $3) { orderedKey(double($0)) >= orderedKey(double($1)) ? 1 : 0 }; return false }
    }
  }
}

/// An integer that orders as PostgreSQL orders floats: −0 equals 0, NaN equals NaN and is above all.
@inline(__always) func orderedKey(_ value: Double) -> Int64 {
  if value.isNaN { return .max }
  let bits = Int64(bitPattern: (value + 0.0).bitPattern)
  return bits ^ Int64(bitPattern: UInt64(bitPattern: bits >> 63) >> 1)
}

/// The float that `key` came from.
@inline(__always) func doubleOfOrderedKey(_ key: Int64) -> Double {
  key == .max ? .nan : Double(bitPattern: UInt64(bitPattern: key ^ Int64(bitPattern: UInt64(bitPattern: key >> 63) >> 1)))
}
