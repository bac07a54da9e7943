package enum OutputError: Error, Equatable, Sendable {
  /// The reader has gone (`tsq query … | head`, a connection that was closed): no error to speak
  /// of, only a reason to stop.
  case closed
  /// The system refused a write; `errno` of it.
  case failed(Int32)
}

/// Where rendered bytes go.
package protocol ByteSink: AnyObject {
  /// Takes `bytes` and empties them; they may wait in a buffer until `flush`.
  func write(_ bytes: inout [UInt8]) throws(OutputError)
  func flush() throws(OutputError)
}

extension ByteSink {
  package func write(_ text: String) throws(OutputError) {
    var bytes = Array(text.utf8)
    try write(&bytes)
  }
}

/// Bytes that writers gather before they hand them to their sink.
package let outputBufferByteCount = 64 << 10
