/// One statement of a script, with its place (without the semicolon).
package struct Statement: Equatable, Sendable {
  package var kind: Kind
  package var range: SourceRange

  package indirect enum Kind: Equatable, Sendable {
    case query(Query)
    case explain(Statement, ExplainOptions)
    case createTable(CreateTable)
    case createView(CreateView)
    case addColumns(ObjectName, ifExists: Bool, [ColumnDefinition])
    case drop(DropKind, [ObjectName], ifExists: Bool)
    case insert(Insert)
    case update(Update)
    case delete(Delete)
    case copy(Copy)
    /// `SHOW name`, `SHOW ALL`: the words, folded.
    case show([String])
    case set(SetVariable)
    /// nil: RESET ALL.
    case reset(String?)
    case transaction(TransactionCommand)
    /// DISCARD ALL and DEALLOCATE, which drivers and poolers send: accepted, and nothing to do.
    case discard(String)
  }
}

package struct ExplainOptions: Equatable, Sendable {
  package var analyze = false
  package var verbose = false
}

package struct CreateTable: Equatable, Sendable {
  package var name: ObjectName
  package var ifNotExists: Bool
  package var columns: [ColumnDefinition]
  /// `WITH (key = value)`.
  package var options: [NamedOption]
}

package struct ColumnDefinition: Equatable, Sendable {
  package var name: Identifier
  package var type: TypeName
  package var typeRange: SourceRange
  package var ifNotExists = false
  package var isNotNull = false
  /// `UNIT '°C'`.
  package var unit: String?
  /// `SCALE 10`: stored as tenths of the unit.
  package var scale: Expression?
  /// `RANGE lower AND upper`, both inclusive.
  package var bounds: Bounds?

  package struct Bounds: Equatable, Sendable {
    package var lower: Expression
    package var upper: Expression
  }
}

/// `name value`, `name = value` or a bare `name` of a WITH list.
package struct NamedOption: Equatable, Sendable {
  package var name: Identifier
  package var value: Expression?
}

package enum DropKind: String, Sendable {
  case table = "TABLE"
  case view = "VIEW"
}

package struct CreateView: Equatable, Sendable {
  package var name: ObjectName
  package var orReplace: Bool
  package var columns: [Identifier]
  package var query: Query
}

package struct Insert: Equatable, Sendable {
  package var table: ObjectName
  package var columns: [Identifier]
  /// VALUES or any other query; nil for DEFAULT VALUES.
  package var source: Query?
  package var returning: [Select.Item]
}

package struct Update: Equatable, Sendable {
  package struct Assignment: Equatable, Sendable {
    package var column: Identifier
    package var value: Expression
  }

  package var table: ObjectName
  package var alias: Identifier?
  package var assignments: [Assignment]
  package var from: [TableReference]
  package var filter: Expression?
  package var returning: [Select.Item]
}

package struct Delete: Equatable, Sendable {
  package var table: ObjectName
  package var alias: Identifier?
  package var using: [TableReference]
  package var filter: Expression?
  package var returning: [Select.Item]
}

package struct Copy: Equatable, Sendable {
  package enum Subject: Equatable, Sendable {
    case table(ObjectName, columns: [Identifier])
    case query(Query)
  }

  package enum Direction: String, Sendable {
    case from = "FROM"
    case to = "TO"
  }

  package enum Place: Equatable, Sendable {
    case file(String)
    case standardStream
  }

  package var subject: Subject
  package var direction: Direction
  package var place: Place
  package var options: [NamedOption]
}

package struct SetVariable: Equatable, Sendable {
  package enum Scope: String, Sendable {
    case session = "SESSION"
    case local = "LOCAL"
  }

  package var scope: Scope?
  /// Folded; `timezone` for SET TIME ZONE.
  package var name: String
  /// Empty: DEFAULT.
  package var values: [Expression]
}

package enum TransactionCommand: Equatable, Sendable {
  case begin(readOnly: Bool?)
  case commit
  case rollback
  /// SET TRANSACTION and SET SESSION CHARACTERISTICS.
  case characteristics(readOnly: Bool?)
}
