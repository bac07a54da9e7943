import Synchronization

/// What one part of a query holds against the query's limit. Given back when it goes, however the
/// part ended: a scan that a LIMIT cuts short leaves nothing behind for what runs after it.
final class MemoryCharge: Sendable {
  private let context: ExecutionContext
  private let held = Atomic(0)

  init(_ context: ExecutionContext) { self.context = context }

  deinit { context.release(held.load(ordering: .relaxed)) }

  /// From any thread.
  /// - Throws: 53200 when the query then holds more than its limit; the charge stands.
  func add(_ bytes: Int) throws(SQLError) {
    held.add(bytes, ordering: .relaxed)
    try context.charge(bytes)
  }

  /// Gives `bytes` back before the end.
  func release(_ bytes: Int) {
    held.subtract(bytes, ordering: .relaxed)
    context.release(bytes)
  }
}
