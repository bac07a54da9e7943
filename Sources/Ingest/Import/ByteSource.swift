import CZlib
import Glibc

/// Why an import cannot go on (a bad line is no reason: it is rejected and the next one read).
package enum ImportError: Error, Equatable, Sendable {
  /// The input cannot be read, or is not what its name says.
  case source(String)
  /// The header does not say what is in the file.
  case header(String)
  /// Who takes the rows refused them.
  case refused(String)
}

/// Bytes of a file or a pipe, in pieces, uncompressed when they come as gzip (told by the first
/// two bytes, not the name).
@safe package final class ByteSource {
  private let descriptor: Int32
  private let ownsDescriptor: Bool
  private var input: [UInt8]
  private var inputRange = 0..<0
  private var inputEnded = false
  /// At an address of its own: zlib refuses a stream that has moved.
  private var gzip: UnsafeMutablePointer<z_stream>?
  private var isGzip: Bool?
  /// Between two members of a gzip file it may end; inside one it is cut short.
  private var insideMember = false

  /// `path` is a file, or `-` for the standard input.
  package init(path: String) throws(ImportError) {
    ownsDescriptor = path != "-"
    // SAFETY: the path is passed as a C string for the duration of the call.
    descriptor = ownsDescriptor ? unsafe open(path, O_RDONLY | O_CLOEXEC) : 0
    guard descriptor >= 0 else {
      throw .source("cannot be opened: \(Self.systemText())")
    }
    input = [UInt8](repeating: 0, count: 256 << 10)
  }

  private static func systemText() -> String {
    // SAFETY: strerror gives a static or thread-local string, copied at once.
    unsafe String(cString: strerror(errno))
  }

  deinit {
    // SAFETY: `startInflating` allocated and initialised it; nothing else frees it.
    if let stream = unsafe gzip {
      unsafe inflateEnd(stream)
      unsafe stream.deinitialize(count: 1)
      unsafe stream.deallocate()
    }
    if ownsDescriptor { close(descriptor) }
  }

  /// Fills `buffer` from `start` on and gives how many bytes came, 0 at the end.
  package func read(into buffer: inout [UInt8], from start: Int) throws(ImportError) -> Int {
    precondition(start < buffer.count, "room to read into")
    if isGzip == nil {
      try fill()
      isGzip = inputRange.count >= 2 && input[0] == 0x1F && input[1] == 0x8B
      if isGzip == true { try startInflating() }
    }
    if isGzip == true { return try inflate(into: &buffer, from: start) }
    if inputRange.isEmpty { try fill() }
    let count = min(inputRange.count, buffer.count - start)
    let taken = inputRange.lowerBound..<(inputRange.lowerBound + count)
    buffer.replaceSubrange(start..<(start + count), with: input[taken])
    inputRange = taken.upperBound..<inputRange.upperBound
    return count
  }

  /// Fills the empty input; at least two bytes unless it ends.
  private func fill() throws(ImportError) {
    var filled = 0
    while filled < 2, !inputEnded {
      let count = unsafe input.withUnsafeMutableBytes { raw in
        // SAFETY: at most what is left of the array is written behind `filled`.
        unsafe Glibc.read(descriptor, raw.baseAddress! + filled, raw.count - filled)
      }
      if count < 0 {
        if errno == EINTR { continue }
        throw .source("cannot be read: \(Self.systemText())")
      }
      if count == 0 { inputEnded = true }
      filled += count
    }
    inputRange = 0..<filled
  }

  private func startInflating() throws(ImportError) {
    let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    // SAFETY: initialised here, before any use; freed in `deinit`.
    unsafe stream.initialize(to: z_stream())
    unsafe gzip = stream
    // 15 + 16: the largest window, gzip only.
    let code = unsafe inflateInit2_(
      stream, 31, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    guard code == Z_OK else { throw .source("zlib cannot start (\(code))") }
    insideMember = true
  }

  private func inflate(into buffer: inout [UInt8], from start: Int) throws(ImportError) -> Int {
    while true {
      if inputRange.isEmpty { try fill() }
      if inputRange.isEmpty {
        guard !insideMember else { throw .source("the gzip file is cut short") }
        return 0
      }
      if !insideMember {
        // SAFETY: set by `startInflating`.
        guard unsafe inflateReset(gzip) == Z_OK else { throw .source("zlib cannot restart") }
        insideMember = true
      }
      var produced = 0
      let code = inflateOnce(&buffer, start, &produced)
      switch code {
      case Z_STREAM_END: insideMember = false
      case Z_OK, Z_BUF_ERROR: break
      default: throw .source("the gzip file is damaged")
      }
      if produced > 0 { return produced }
    }
  }

  private func inflateOnce(_ buffer: inout [UInt8], _ start: Int, _ produced: inout Int) -> Int32 {
    let room = buffer.count - start
    let given = inputRange.count
    // SAFETY: `next_in` and `next_out` point into the two arrays with the counts that lie behind
    // them, and are used only inside the closures. `gzip` was set by `startInflating`.
    return unsafe input.withUnsafeMutableBufferPointer { source in
      unsafe buffer.withUnsafeMutableBufferPointer { target in
        unsafe gzip!.pointee.next_in = source.baseAddress! + inputRange.lowerBound
        unsafe gzip!.pointee.avail_in = UInt32(given)
        unsafe gzip!.pointee.next_out = target.baseAddress! + start
        unsafe gzip!.pointee.avail_out = UInt32(clamping: room)
        let code = unsafe CZlib.inflate(gzip, Z_NO_FLUSH)
        produced = unsafe Int(UInt32(clamping: room) - gzip!.pointee.avail_out)
        let used = unsafe given - Int(gzip!.pointee.avail_in)
        inputRange = (inputRange.lowerBound + used)..<inputRange.upperBound
        return code
      }
    }
  }
}
