/// A half-open stretch of the query's UTF-8 bytes. 32-bit offsets: the lexer refuses longer texts.
package struct SourceRange: Hashable, Sendable {
  package var lower: UInt32
  package var upper: UInt32

  package init(_ lower: UInt32, _ upper: UInt32) {
    self.lower = lower
    self.upper = upper
  }

  /// The offsets as indices into the source bytes.
  package var bytes: Range<Int> { Int(lower)..<Int(upper) }

  /// From the start of this range to the end of `other`.
  package func through(_ other: SourceRange) -> SourceRange {
    SourceRange(lower, Swift.max(upper, other.upper))
  }
}
