/// The encoding of one column of one block, open for reading.
///
/// Opening checks every page header and length against the bytes once, O(pages); afterwards
/// nothing throws and every access is in bounds by construction. Damaged bytes that still parse
/// give some values: the block's checksum stands before this. The bytes are shared, not copied
/// (an LZ4 section is decompressed into its own).
///
/// Two number spaces: *slots* are what a column holds (`ColumnType`); *order* is what bounds and
/// ranges speak, equal to the slot for integers and `FloatOrder.key` for floats.
package struct ColumnSection: Sendable {
  /// Values, null ones included.
  package let count: Int
  let bytes: [UInt8]
  let content: Content
  let isFloat: Bool
  /// e when slots are doubles k / 10^e held as the integers k.
  let decimalExponent: Int?
  /// Doubles of a decimal section that are none.
  let patches: FloatPatches

  enum Content: Sendable {
    case constant(Int64)
    case null
    case paged(Pages)
    case runs(RunTable)
    case sparse(SparseTable)
    case cold(ColdSection)
  }

  /// The walk over a paged section's headers. Page values are `minimum + divisor · unit`.
  struct Pages: Sendable {
    var minimum: Int64 = 0
    /// The largest unit.
    var range: UInt64 = 0
    var divisor: UInt64 = 1
    var headers: [PageHeader] = []
  }

  /// Opens the section that fills `range` of `bytes` and holds `count` values.
  ///
  /// - Throws: `.corrupt`, `.truncated`, `.unsupportedVersion`.
  /// - Complexity: O(pages), or O(runs) for the runs form, O(valid values) for the sparse one.
  package init(
    _ bytes: [UInt8], in range: Range<Int>? = nil, count: Int
  ) throws(StorageError) {
    var (bytes, range) = (bytes, range ?? 0..<bytes.count)
    guard count >= 1, count <= PageShape.maximumSectionCount else {
      throw StorageError(.corrupt, "section of \(count) values", offset: range.lowerBound)
    }
    guard range.lowerBound >= 0, range.upperBound <= bytes.count else {
      throw StorageError(.truncated, "section past its block", offset: range.lowerBound)
    }
    if !range.isEmpty, bytes[range.lowerBound] == SectionForm.lz4.rawValue {
      // What comes out is of another form: the guard below refuses LZ4 within LZ4.
      bytes = try SectionLZ4.decompress(bytes, range, count: count)
      range = 0..<bytes.count
    }
    var reader = ByteReader(bytes.rawSpan.extracting(0..<range.upperBound))
    _ = try reader.take(range.lowerBound)
    let first = try reader.next(UInt8.self)
    let flags = first & 0xF0
    guard let form = SectionForm(rawValue: first & 0x0F), form != .lz4 else {
      throw StorageError(.unsupportedVersion, "section form \(first)", offset: range.lowerBound)
    }
    self.count = count
    self.bytes = bytes
    isFloat = flags & SectionFlag.float != 0
    if flags & SectionFlag.decimal != 0 {
      let exponent = Int(try reader.next(UInt8.self))
      guard isFloat, exponent <= DecimalScale.maximumExponent else {
        throw StorageError(.corrupt, "decimal exponent \(exponent)", offset: reader.offset)
      }
      decimalExponent = exponent
    } else {
      decimalExponent = nil
    }
    if flags & SectionFlag.patched != 0 {
      guard decimalExponent != nil, form != .null, form != .sparse else {
        throw StorageError(.corrupt, "patches of form \(form)", offset: reader.offset)
      }
      patches = try FloatPatches.parse(&reader, count: count)
    } else {
      patches = FloatPatches()
    }
    guard flags & SectionFlag.divisor == 0 || form == .paged || form == .cold else {
      throw StorageError(.corrupt, "divisor of form \(form)", offset: range.lowerBound)
    }
    let whole = bytes.rawSpan.extracting(0..<range.upperBound)
    switch form {
    case .constant: content = .constant(try reader.zigzag())
    case .null: content = .null
    case .runs: content = .runs(try RunTable.parse(&reader, bytes, count: count))
    case .sparse: content = .sparse(try SparseTable.parse(&reader, bytes, count: count))
    case .cold:
      content = .cold(
        try ColdSection.parse(
          &reader, count: count, hasDivisor: flags & SectionFlag.divisor != 0))
    default:
      content = .paged(
        try Pages.parse(
          &reader, whole, count: count, hasDivisor: flags & SectionFlag.divisor != 0))
    }
    guard reader.isAtEnd else {
      throw StorageError(.corrupt, "bytes after the section's end", offset: reader.offset)
    }
  }

  package var pageCount: Int { (count + 255) >> 8 }

  /// Values of `page`; 256 for all but the last.
  @inline(__always) package func valueCount(page: Int) -> Int {
    min(PageShape.valueCount, count &- page &* PageShape.valueCount)
  }

  package var isConstant: Bool {
    if case .constant = content { patches.isEmpty } else { false }
  }

  var span: RawSpan {
    @_lifetime(borrow self) borrowing get { bytes.rawSpan }
  }
}

extension ColumnSection.Pages {
  /// What paged and cold sections begin with: held numbers are `minimum + divisor · unit`, units
  /// 0 ... range.
  struct Head: Sendable {
    var minimum: Int64
    var range: UInt64
    var divisor: UInt64

    init(minimum: Int64, range: UInt64, divisor: UInt64) {
      (self.minimum, self.range, self.divisor) = (minimum, range, divisor)
    }

    init(_ reader: inout ByteReader, hasDivisor: Bool) throws(StorageError) {
      minimum = try reader.zigzag()
      range = try reader.varint()
      divisor = hasDivisor ? try reader.varint() : 1
      let (reach, overflow) = range.multipliedReportingOverflow(by: divisor)
      guard !overflow, divisor > 0, Int128(minimum) + Int128(reach) <= Int128(Int64.max) else {
        throw StorageError(.corrupt, "section range \(range)", offset: reader.offset)
      }
    }

    /// The divisor only where it is not 1, which the section's flag tells.
    func write(into out: inout ByteWriter) {
      out.zigzag(minimum)
      out.varint(range)
      if divisor > 1 { out.varint(divisor) }
    }
  }

  static func parse(
    _ reader: inout ByteReader, _ bytes: RawSpan, count: Int, hasDivisor: Bool
  ) throws(StorageError) -> ColumnSection.Pages {
    let head = try Head(&reader, hasDivisor: hasDivisor)
    var pages = ColumnSection.Pages(minimum: head.minimum, range: head.range, divisor: head.divisor)
    let pageCount = (count + 255) >> 8
    // Each page has at least its tag, so a short input is refused before anything is allocated.
    guard reader.remaining >= pageCount else {
      throw StorageError(.truncated, "section of \(pageCount) pages", offset: reader.offset)
    }
    pages.headers.reserveCapacity(pageCount)
    for page in 0..<pageCount {
      pages.headers.append(
        try PageHeader.parse(
          &reader, bytes, count: min(256, count - page * 256), range: pages.range))
    }
    return pages
  }

  /// The slot of `unit`; wraps for units that only damaged pages have.
  @inline(__always) func slot(_ unit: UInt64) -> Int64 {
    minimum &+ Int64(bitPattern: unit &* divisor)
  }
}

// MARK: Zone map

extension ColumnSection {
  /// Bounds, in order space, of the valid values of `page`, from its header alone; nil when all
  /// are null.
  ///
  /// Conservative: the minimum of an unpatched page and the bounds of runs, dictionaries and
  /// constants are exact, else up to 2^width - 1 units wide of the mark; a delta page tells what
  /// its steps allow. Never narrower than the truth.
  package func bounds(page: Int) -> ClosedRange<Int64>? {
    switch content {
    case .null: return nil
    case .constant(let value): return widened(orderBounds(value, value), page: page)
    case .runs(let table):
      let bounds = table.bounds(page &* 256..<page &* 256 &+ valueCount(page: page))
      return widened(orderBounds(bounds.lowerBound, bounds.upperBound), page: page)
    case .sparse(let table):
      guard let bounds = table.bounds(page: page) else { return nil }
      return orderBounds(bounds.lowerBound, bounds.upperBound)
    case .cold(let cold):
      let bounds = cold.bounds[page]
      return widened(orderBounds(bounds.lowerBound, bounds.upperBound), page: page)
    case .paged(let pages):
      let header = pages.headers[page]
      if header.kind == .null { return nil }
      return widened(
        orderBounds(pages.slot(header.lower), pages.slot(header.upper)), page: page)
    }
  }

  package func hasNulls(page: Int) -> Bool {
    switch content {
    case .null: return true
    case .constant, .runs, .cold: return false
    case .sparse(let table): return table.range(page: page).count < valueCount(page: page)
    case .paged(let pages):
      return pages.headers[page].kind == .null || pages.headers[page].validity != nil
    }
  }

  /// Bit i set where value i of the page is not null; bits past the page's values are clear.
  package func validity(page: Int) -> PageMask {
    switch content {
    case .null: .zero
    case .constant, .runs, .cold: .first(valueCount(page: page))
    case .sparse(let table): table.masks[page]
    case .paged(let pages): pages.headers[page].validityMask(span, count: valueCount(page: page))
    }
  }

  /// Held numbers to order space: doubles of a decimal section go by their keys.
  private func orderBounds(_ low: Int64, _ high: Int64) -> ClosedRange<Int64> {
    guard let decimalExponent else { return low...max(low, high) }
    let keys = (
      FloatOrder.key(DecimalScale.value(low, exponent: decimalExponent)),
      FloatOrder.key(DecimalScale.value(high, exponent: decimalExponent))
    )
    return keys.0...max(keys.0, keys.1)
  }
}

