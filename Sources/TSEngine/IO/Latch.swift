/// A value that one thread waits for and another delivers, once.
package final class Latch<Value: Sendable>: Sendable {
  private let value = Monitor<Value?>(nil)

  package init() {}

  /// Delivers the value; the first one stays.
  package func fulfil(_ value: Value) { self.value.change { $0 = $0 ?? value } }

  /// The value, if it is there.
  package var current: Value? { value.read { $0 } }

  /// Waits for the value.
  package func wait() -> Value { value.wait { $0 } }
}
