/// What goes wrong while a query runs. Messages never carry values.
extension SQLError {
  static func integerOverflow() -> SQLError {
    SQLError(.numericOutOfRange, "an integer is out of range", hint: "cast to double precision for larger numbers")
  }
  static func timestampOverflow() -> SQLError {
    SQLError(.datetimeOverflow, "a timestamp is out of range (years 1677 to 2262)")
  }
  static func divisionByZero() -> SQLError { SQLError(.divisionByZero, "division by zero", hint: "guard it with NULLIF(divisor, 0)") }
  static func unsupported(_ what: String, at range: SourceRange? = nil, hint: String? = nil) -> SQLError {
    SQLError(.featureNotSupported, "\(what) is not supported yet", at: range, hint: hint)
  }
}
