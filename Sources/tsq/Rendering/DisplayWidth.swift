/// Cells of a terminal that text takes.
///
/// Counted by grapheme cluster, as terminals draw them: a base with its marks is one character, a
/// family joined by ZWJ or a flag is one picture two cells wide. Texts of ASCII, nearly all there
/// are, are counted by their bytes.
enum DisplayWidth {
  static func of(_ text: String) -> Int {
    var ascii = 0
    for byte in text.utf8 {
      if byte >= 0x80 { return text.reduce(0) { $0 + of($1) } }
      ascii += 1
    }
    return ascii
  }

  static func of(_ character: Character) -> Int {
    var widest = 0
    var isPicture = false
    var isFlag = false
    for scalar in character.unicodeScalars {
      widest = max(widest, of(scalar))
      // U+FE0F asks for the picture of what may be text; a flag is two regional indicators.
      if scalar.value == 0xFE0F { isPicture = true }
      if (0x1F1E6...0x1F1FF).contains(scalar.value) { isFlag = true }
    }
    if isFlag || (isPicture && widest == 1) { return 2 }
    return widest
  }

  static func of(_ scalar: Unicode.Scalar) -> Int {
    if scalar.value < 0x80 { return scalar.value < 0x20 || scalar.value == 0x7F ? 0 : 1 }
    if contains(DisplayWidthTable.zero, scalar.value) { return 0 }
    return contains(DisplayWidthTable.wide, scalar.value) ? 2 : 1
  }

  /// The longest start of `text` that fits `width` cells, with `…` in the last one when it was cut.
  static func truncate(_ text: String, to width: Int) -> String {
    guard width > 0 else { return "" }
    guard of(text) > width else { return text }
    var kept = ""
    var used = 0
    for character in text {
      let cells = of(character)
      if used + cells > width - 1 { break }
      kept.append(character)
      used += cells
    }
    return kept + "…"
  }

  private static func contains(_ ranges: [(UInt32, UInt32)], _ value: UInt32) -> Bool {
    var low = 0
    var high = ranges.count
    while low < high {
      let middle = (low + high) / 2
      if value > ranges[middle].1 {
        low = middle + 1
      } else if value < ranges[middle].0 {
        high = middle
      } else {
        return true
      }
    }
    return false
  }
}
