import Glibc
import Query

/// A file descriptor behind a buffer of 64 KiB.
final class FileSink: ByteSink {
  private let descriptor: Int32
  private var buffer: [UInt8] = []

  init(descriptor: Int32) {
    self.descriptor = descriptor
    buffer.reserveCapacity(outputBufferByteCount * 2)
  }

  func write(_ bytes: inout [UInt8]) throws(OutputError) {
    buffer.append(contentsOf: bytes)
    bytes.removeAll(keepingCapacity: true)
    if buffer.count >= outputBufferByteCount { try flush() }
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
