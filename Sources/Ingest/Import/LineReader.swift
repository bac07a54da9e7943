import Glibc

/// Lines of a source, one buffer at a time. A line is a range of `buffer`, its end excluded.
struct LineReader {
  /// A longer line is an error of its own, not a reason for more memory.
  static let maximumLineLength = 1 << 20

  private let source: ByteSource
  private(set) var buffer = [UInt8](repeating: 0, count: 1 << 20 | 64 << 10)
  /// What lies in the buffer.
  private(set) var end = 0
  private var next = 0
  private var sourceEnded = false
  /// Bytes read so far, uncompressed.
  private(set) var byteCount = 0
  /// 1 for the first line.
  private(set) var lineNumber = 0

  init(_ source: ByteSource) { self.source = source }

  /// The next line without its `\n` or `\r\n`, or nil at the end.
  mutating func nextLine() throws(ImportError) -> Range<Int>? {
    var scanned = next
    while true {
      if let newline = Self.newline(in: buffer, scanned..<end) {
        let start = next
        next = newline + 1
        lineNumber += 1
        let hasReturn = newline > start && buffer[newline - 1] == UInt8(ascii: "\r")
        return start..<(hasReturn ? newline - 1 : newline)
      }
      if sourceEnded {
        guard next < end else { return nil }
        // What older bytes lie behind the last line must not look like part of it.
        if end == buffer.count { buffer.append(10) } else { buffer[end] = 10 }
        let start = next
        next = end
        lineNumber += 1
        return start..<end
      }
      guard end - next <= Self.maximumLineLength else {
        throw .source("line \(lineNumber + 1) is longer than \(Self.maximumLineLength) bytes")
      }
      if next > 0 {
        // A part of a line goes to the front.
        for index in next..<end { buffer[index - next] = buffer[index] }
        end -= next
        next = 0
      }
      scanned = end
      let count = try source.read(into: &buffer, from: end)
      end += count
      byteCount += count
      sourceEnded = count == 0
    }
  }

  private static func newline(in buffer: [UInt8], _ range: Range<Int>) -> Int? {
    guard !range.isEmpty else { return nil }
    return unsafe buffer.withUnsafeBytes { raw -> Int? in
      // SAFETY: the callers keep `range` within the buffer.
      let base = raw.baseAddress!
      guard let found = unsafe memchr(base + range.lowerBound, 10, range.count) else { return nil }
      return unsafe UnsafeRawPointer(found) - base
    }
  }
}
