/// The five-character codes of PostgreSQL's appendix A that tsq answers with; clients branch on them.
package struct SQLState: Hashable, Sendable, CustomStringConvertible {
  package var code: String
  package init(_ code: String) { self.code = code }
  package var description: String { code }

  package static let syntaxError = SQLState("42601")
  package static let featureNotSupported = SQLState("0A000")
  package static let undefinedColumn = SQLState("42703")
  package static let undefinedTable = SQLState("42P01")
  package static let undefinedFunction = SQLState("42883")
  package static let undefinedParameter = SQLState("42P02")
  package static let undefinedObject = SQLState("42704")
  package static let ambiguousColumn = SQLState("42702")
  package static let duplicateColumn = SQLState("42701")
  package static let duplicateAlias = SQLState("42712")
  package static let duplicateTable = SQLState("42P07")
  package static let datatypeMismatch = SQLState("42804")
  package static let groupingError = SQLState("42803")
  package static let windowingError = SQLState("42P20")
  package static let invalidColumnReference = SQLState("42P10")
  package static let invalidName = SQLState("42602")
  package static let nameTooLong = SQLState("42622")
  package static let numericOutOfRange = SQLState("22003")
  package static let invalidDatetime = SQLState("22007")
  package static let datetimeOverflow = SQLState("22008")
  package static let divisionByZero = SQLState("22012")
  package static let invalidEscape = SQLState("22025")
  package static let invalidParameterValue = SQLState("22023")
  package static let invalidText = SQLState("22P02")
  package static let invalidByteSequence = SQLState("22021")
  package static let readOnlyTransaction = SQLState("25006")
  package static let insufficientPrivilege = SQLState("42501")
  package static let programLimitExceeded = SQLState("54000")
  package static let statementTooComplex = SQLState("54001")
  package static let outOfMemory = SQLState("53200")
  package static let queryCancelled = SQLState("57014")
  package static let internalError = SQLState("XX000")
}
