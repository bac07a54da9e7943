/// A column of symbols or texts: the section's own texts, then codes into them.
///
/// Codes of the store's `SymbolTable` live as long as the process, so none is written; a reader
/// turns the local codes into its process's by the texts.
package struct SymbolColumn: Sendable {
  /// Process-local code of each local one.
  package let codes: [Int64]
  /// Local codes.
  package let section: ColumnSection

  /// Appends `values` (codes, nulls where `valid` is false) with their texts to `out`.
  ///
  /// Layout: the texts in order of first appearance (`TextTable`), then the section of local codes.
  /// - Returns: counts; codes have no order, so bounds, first and last are left out.
  package static func encode(
    _ values: Span<Int64>, valid: Span<Bool>?, text: (Int64) -> String,
    using encoder: inout ColumnEncoder, into out: inout ByteWriter
  ) -> ColumnStatistics {
    var numbers: [Int64: Int64] = [:]
    // Texts of several holds may be the same.
    var known: [TextKey: Int64] = [:]
    var texts: [Int64] = []
    var local: [Int64] = []
    local.reserveCapacity(values.count)
    var previous: (code: Int64, number: Int64)?
    for index in values.indices {
      if let valid, !valid[index] {
        local.append(0)
        continue
      }
      let code = values[index]
      if let previous, previous.code == code {
        local.append(previous.number)
        continue
      }
      var number = numbers[code] ?? Int64(texts.count)
      if Int(number) == texts.count {
        if TextHold.isText(code) {
          let key = TextKey(text(code))
          if let same = known[key] { number = same } else { known[key] = number }
        }
        if Int(number) == texts.count { texts.append(code) }
        numbers[code] = number
      }
      previous = (code, number)
      local.append(number)
    }
    TextTable.write(texts.map(text), using: &encoder, into: &out)
    let encoded =
      if let valid {
        encoder.encode(local.span, valid: valid, type: .int, into: &out)
      } else {
        encoder.encode(local.span, type: .int, into: &out)
      }
    var statistics = ColumnStatistics(count: encoded.count, nullCount: encoded.nullCount)
    statistics.isSymbol = true
    return statistics
  }

  /// Opens a column of `count` values that fills `range` of `bytes`; `intern` gives the process's
  /// code of a text.
  ///
  /// - Throws: `.corrupt`, `.truncated`, `.unsupportedVersion`.
  package init(
    _ bytes: [UInt8], in range: Range<Int>? = nil, count: Int, intern: (String) -> Int64
  ) throws(StorageError) {
    let range = range ?? 0..<bytes.count
    guard range.lowerBound >= 0, range.upperBound <= bytes.count else {
      throw StorageError(.truncated, "symbols past their block", offset: range.lowerBound)
    }
    var reader = ByteReader(bytes.rawSpan.extracting(0..<range.upperBound))
    _ = try reader.take(range.lowerBound)
    var codes: [Int64] = []
    try TextTable.read(&reader, bytes, count: count) { codes.append(intern($0)) }
    let section = try ColumnSection(bytes, in: reader.offset..<range.upperBound, count: count)
    guard !section.isFloat else {
      throw StorageError(.corrupt, "symbols as floats", offset: range.lowerBound)
    }
    self.codes = codes
    self.section = section
    for page in 0..<section.pageCount {
      guard let bounds = section.minMax(page: page) else { continue }
      guard bounds.lowerBound >= 0, bounds.upperBound < Int64(codes.count) else {
        throw StorageError(.corrupt, "symbol without a text", offset: range.lowerBound)
      }
    }
  }

  /// Fills `out` with the process's codes; null slots hold an arbitrary one (0 without texts).
  ///
  /// Precondition: `out` has as many elements as the pages have values.
  package func decode(pages: Range<Int>, into out: inout MutableSpan<Int64>) {
    section.decode(pages: pages, into: &out)
    for index in out.indices {
      let local = out[index]
      out[index] = local >= 0 && local < Int64(codes.count) ? codes[Int(local)] : 0
    }
  }

  /// The valid values of `page` with the process's code `code`.
  package func select(page: Int, code: Int64) -> PageMask {
    guard let local = codes.firstIndex(of: code).map(Int64.init) else { return .zero }
    return section.select(page: page, in: local...local)
  }
}
