import Dispatch
import Hummingbird
import Synchronization

/// A client that left an answer unread for too long.
struct SlowReader: Error {}

/// From a query's thread to the connection: a few chunks under way, no more. The query waits for a
/// slow reader, but not for ever, and is told when the reader is gone.
final class ChunkPipe: Sendable {
  private static let slots = 4

  private let patienceNanos: Int64
  private let onStall: @Sendable () -> Void
  /// Made with 0 and raised: a semaphore that dies below its first value ends the process.
  private let free = DispatchSemaphore(value: 0)
  private let isClosed = Mutex(false)
  private let continuation: AsyncStream<ByteBuffer>.Continuation
  private let chunks: AsyncStream<ByteBuffer>
  private let failure = Mutex<(any Error)?>(nil)

  /// - Parameters:
  ///   - patienceNanos: how long the query waits for the reader to take one chunk.
  ///   - onStall: called once when the reader took none for so long; ends the connection.
  init(patienceNanos: Int64, onStall: @escaping @Sendable () -> Void) {
    self.patienceNanos = patienceNanos
    self.onStall = onStall
    (chunks, continuation) = AsyncStream.makeStream()
    for _ in 0..<Self.slots { free.signal() }
  }

  // MARK: The query's side

  /// Waits for room; false when nobody reads any more, or not for so long.
  func send(_ bytes: [UInt8]) -> Bool {
    if bytes.isEmpty { return !isClosed.withLock { $0 } }
    guard free.wait(timeout: .now() + .nanoseconds(Int(patienceNanos))) == .success else {
      // A thread, a slot and the query's memory must not be held by who asks and never reads.
      close()
      finish(SlowReader())
      onStall()
      return false
    }
    guard !isClosed.withLock({ $0 }) else { return false }
    continuation.yield(ByteBuffer(bytes: bytes))
    return true
  }

  /// The answer is whole, or broke off for `error`.
  func finish(_ error: (any Error)? = nil) {
    failure.withLock { $0 = error }
    continuation.finish()
  }

  // MARK: The connection's side

  /// - Throws: what the connection throws, or why the query broke off; the answer then ends
  ///   without its last chunk, so that nobody takes it for whole.
  func drain(into write: (ByteBuffer) async throws -> Void) async throws {
    defer { close() }
    for await chunk in chunks {
      try await write(chunk)
      free.signal()
    }
    if let error = failure.withLock({ $0 }) { throw error }
  }

  func close() {
    isClosed.withLock { $0 = true }
    // Whoever waits for room must see it.
    for _ in 0..<Self.slots { free.signal() }
  }
}
