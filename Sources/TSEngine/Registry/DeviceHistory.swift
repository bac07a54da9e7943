/// The journal of one device (T-04): its own events, and the deletion of a user whose device it
/// was at that moment, which parks it without an event of its own (L-04).
///
/// Feed it all events in order of LSN, or those from the device's first one on.
package struct DeviceHistory: Sendable {
  package let device: String
  private var associations = Associations()
  package private(set) var events: [Event] = []

  package init(of device: String) { self.device = device }

  /// Keeps `event` if it is about the device.
  package mutating func apply(_ event: Event) {
    switch event.kind {
    case .userDeleted(let user):
      if user != .parked, associations.owner(of: device) == user { events.append(event) }
      associations.apply(event)
    case let kind where kind.device == device:
      events.append(event)
      associations.apply(event)
    default: break
    }
  }
}
