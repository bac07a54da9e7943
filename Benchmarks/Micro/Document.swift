import Glibc

/// Generated parts of a Markdown document, each between `<!-- codecs:NAME -->` and `<!-- /codecs:NAME -->`.
enum Document {
  struct Failure: Error { var reason: String }

  static func replace(_ name: String, by part: String, in file: String) throws {
    let text = try read(file)
    guard let head = text.firstRange(of: "<!-- codecs:\(name) -->\n"),
      let tail = text.firstRange(of: "<!-- /codecs:\(name) -->"), head.upperBound <= tail.lowerBound
    else { throw Failure(reason: "\(file) has no marks for codecs:\(name)") }
    let changed = text[..<head.upperBound] + "\n" + part + "\n\n" + text[tail.lowerBound...]
    guard let out = fopen(file, "w") else { throw Failure(reason: "\(file) cannot be written") }
    fputs(String(changed), out)
    fclose(out)
  }

  static func read(_ file: String) throws -> String {
    guard let input = fopen(file, "r") else { throw Failure(reason: "\(file) cannot be read") }
    defer { fclose(input) }
    return String(decoding: bytes(of: input), as: UTF8.self)
  }

  /// All that `input` has left.
  static func bytes(of input: UnsafeMutablePointer<FILE>) -> [UInt8] {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    while true {
      let got = fread(&buffer, 1, buffer.count, input)
      if got == 0 { return bytes }
      bytes.append(contentsOf: buffer[..<got])
    }
  }
}
