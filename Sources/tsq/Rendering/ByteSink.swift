import Glibc

enum OutputError: Error, Equatable {
  /// The reader has gone (`tsq query … | head`): no error to speak of, only a reason to stop.
  case closed
  /// The system refused a write; `errno` of it.
  case failed(Int32)
}

/// Where rendered bytes go.
protocol ByteSink: AnyObject {
  /// Takes `bytes` and empties them; they may wait in a buffer until `flush`.
  func write(_ bytes: inout [UInt8]) throws(OutputError)
  func flush() throws(OutputError)
}

extension ByteSink {
  func write(_ text: String) throws(OutputError) {
    var bytes = Array(text.utf8)
    try write(&bytes)
  }
}

/// A file descriptor behind a buffer of 64 KiB.
final class FileSink: ByteSink {
  static let bufferByteCount = 64 << 10
  private let descriptor: Int32
  private var buffer: [UInt8] = []

  init(descriptor: Int32) {
    self.descriptor = descriptor
    buffer.reserveCapacity(Self.bufferByteCount * 2)
  }

  func write(_ bytes: inout [UInt8]) throws(OutputError) {
    buffer.append(contentsOf: bytes)
    bytes.removeAll(keepingCapacity: true)
    if buffer.count >= Self.bufferByteCount { try flush() }
  }

  func flush() throws(OutputError) {
    defer { buffer.removeAll(keepingCapacity: true) }
    var done = 0
    while done < buffer.count {
      let count = buffer.withUnsafeBytes { bytes in
        Glibc.write(descriptor, bytes.baseAddress! + done, bytes.count - done)
      }
      if count < 0 {
        if errno == EINTR { continue }
        throw errno == EPIPE ? .closed : .failed(errno)
      }
      done += count
    }
  }
}

/// Keeps what it gets; for tests, and for answers that are looked at before they are shown.
final class MemorySink: ByteSink {
  private(set) var bytes: [UInt8] = []
  func write(_ more: inout [UInt8]) throws(OutputError) {
    bytes.append(contentsOf: more)
    more.removeAll(keepingCapacity: true)
  }
  func flush() throws(OutputError) {}
  var text: String { String(decoding: bytes, as: UTF8.self) }
}
