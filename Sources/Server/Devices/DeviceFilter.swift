import TSEngine

/// Which devices a list is of, and which page of it (P-37): newest first (D-10).
package struct DeviceFilter: Sendable {
  package var owner: UserID?
  /// A part of the id, the name or the owner's name, in capitals or not.
  package var search: String?
  package var category: String?
  /// The last id of the page before.
  package var after: String?
  package var skip = 0
  package var limit = Int.max

  package init() {}

  /// - Complexity: O(n log n) in all devices.
  package func page(_ registry: Registry) -> [Device] {
    let part = search?.lowercased()
    var page: [Device] = []
    var (isBehind, skipped) = (after == nil, 0)
    for device in registry.devices.newestFirst() where page.count < limit {
      guard isBehind else {
        isBehind = device.id == after
        continue
      }
      guard takes(device, part, registry) else { continue }
      skipped += 1
      if skipped > skip { page.append(device) }
    }
    return page
  }

  private func takes(_ device: Device, _ part: String?, _ registry: Registry) -> Bool {
    let whose = registry.associations.owner(of: device.id)
    if let owner, whose != owner { return false }
    if let category, device.fields["category"] != .text(category) { return false }
    guard let part else { return true }
    let names = [device.id, device.name, whose == .parked ? "" : registry.users[whose]?.name ?? ""]
    return names.contains { $0.lowercased().contains(part) }
  }
}
