/// Why some input is refused. What the sender may be told: positions, limits and expectations,
/// never a value of theirs.
package struct Fault: Error, Equatable, Sendable {
  package enum Kind: String, Sendable, CaseIterable {
    /// Not JSON (or not a field of this form at all).
    case syntax
    /// JSON of another type than the field has.
    case type
    /// A field that must be there is not.
    case missing
    /// A key or id given twice.
    case duplicate
    /// A number that does not fit its column exactly, or an instant out of range.
    case range
    /// A name that is not known: a probe, a probe type, a column.
    case unknown
    /// A malformed id, a text or list with a wrong length.
    case form
    /// Nested deeper, or with more members, than the door lets in.
    case limit
  }
  package var kind: Kind
  package var reason: String

  package init(_ kind: Kind, _ reason: String) {
    self.kind = kind
    self.reason = reason
  }
}
