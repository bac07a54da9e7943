/// Something that goes wrong in a `SimDisk`, planned ahead.
package struct SimFault: Sendable {
  /// Operations that change the disk, or may. Reads have a count of their own.
  package enum Operation: Sendable, Hashable, CaseIterable {
    case create, write, sync, truncate, rename, remove, createDirectory, syncDirectory, read
  }

  package enum Effect: Sendable, Equatable {
    /// The call fails with this errno and does nothing. A failed sync drops what it should have
    /// written: each sector is on the disk or not, the cache calls it clean either way.
    case error(Int32)
    /// A write puts down this many bytes, then fails with the errno.
    case partialWrite(Int, errno: Int32)
    /// The machine stops before the call does anything.
    case crashBefore
    /// The machine stops after a write of this many bytes; any other call is not done.
    case crashAmid(Int)
    /// The machine stops after the call has done its work, before the caller learns of it.
    case crashAfter
  }

  /// The operation to hit: the n-th of all changing operations (from 0) or the n-th of a kind.
  package enum Trigger: Sendable, Equatable {
    case change(Int)
    case nth(Operation, Int)
  }

  package var trigger: Trigger
  package var effect: Effect
  /// Also every later operation of the same trigger class.
  package var isSticky: Bool

  package init(_ trigger: Trigger, _ effect: Effect, isSticky: Bool = false) {
    self.trigger = trigger
    self.effect = effect
    self.isSticky = isSticky
  }

  func hits(_ operation: Operation, change: Int, ordinal: Int) -> Bool {
    switch trigger {
    case .change(let index):
      operation != .read && (isSticky ? change >= index : change == index)
    case .nth(let kind, let index):
      kind == operation && (isSticky ? ordinal >= index : ordinal == index)
    }
  }
}
