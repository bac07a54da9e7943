/// Dots on a terminal, two across and four down in each cell, by the braille patterns U+2800 … U+28FF.
struct BrailleCanvas {
  let columns: Int
  let rows: Int
  private var dots: [UInt8]
  /// Which series drew last in a cell: one cell has one colour.
  private var owners: [Int]

  var width: Int { columns * 2 }
  var height: Int { rows * 4 }

  init(columns: Int, rows: Int) {
    self.columns = max(1, columns)
    self.rows = max(1, rows)
    dots = Array(repeating: 0, count: self.columns * self.rows)
    owners = Array(repeating: 0, count: self.columns * self.rows)
  }

  /// Sets a dot; (0, 0) is the upper left one. Outside of the canvas nothing happens.
  mutating func set(_ x: Int, _ y: Int, owner: Int) {
    guard x >= 0, x < width, y >= 0, y < height else { return }
    let cell = y / 4 * columns + x / 2
    let bits: [UInt8] = [0x01, 0x02, 0x04, 0x40, 0x08, 0x10, 0x20, 0x80]
    dots[cell] |= bits[x % 2 * 4 + y % 4]
    owners[cell] = owner
  }

  /// Bresenham's line, both ends included.
  mutating func line(from a: (x: Int, y: Int), to b: (x: Int, y: Int), owner: Int) {
    var (x, y) = a
    let (dx, dy) = (abs(b.x - a.x), -abs(b.y - a.y))
    let (stepX, stepY) = (a.x < b.x ? 1 : -1, a.y < b.y ? 1 : -1)
    var error = dx + dy
    while true {
      set(x, y, owner: owner)
      if x == b.x && y == b.y { return }
      let doubled = 2 * error
      if doubled >= dy {
        error += dy
        x += stepX
      }
      if doubled <= dx {
        error += dx
        y += stepY
      }
    }
  }

  /// One row of cells as text; `paint` gives the colour of a series, or nothing.
  func text(row: Int, paint: (Int) -> String?) -> String {
    var out = ""
    var current: String?
    for column in 0..<columns {
      let cell = row * columns + column
      let colour = dots[cell] == 0 ? nil : paint(owners[cell])
      if colour != current {
        if current != nil { out += ANSI.reset }
        out += colour ?? ""
        current = colour
      }
      out.unicodeScalars.append(Unicode.Scalar(0x2800 + UInt32(dots[cell])) ?? " ")
    }
    return current == nil ? out : out + ANSI.reset
  }
}
