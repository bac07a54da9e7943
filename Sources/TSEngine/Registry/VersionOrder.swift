/// Which of several readings of one instant a table shows.
package enum ConflictPolicy: String, Sendable, CaseIterable {
  /// The one that came last; the default.
  case last
  /// The one that came first. Later ones are kept, and listed in `conflicts`.
  case first
  /// The one that came first. A request that says otherwise is refused whole.
  case reject

  /// The key of the type's setting.
  package static let settingKey = "conflicts"
}

/// Which version of a reading wins: of those that came under `last` the newest; when there is
/// none, the oldest.
///
/// A version is judged by the policy of the moment it came in, so a change of policy alters no
/// reading that is stored, and what was visible at any LSN can be told from LSNs alone. The order is
/// total, so merges may take versions in any grouping: head against blocks, block against block.
package struct VersionOrder: Sendable, Equatable {
  package struct Change: Sendable, Equatable {
    /// The first LSN it holds for.
    package var lsn: LSN
    package var keepsFirst: Bool
  }

  /// Before the first change the newest wins.
  package private(set) var changes: [Change] = []

  package init() {}

  package var isNewestAlways: Bool { changes.isEmpty }
  package var keepsFirst: Bool { changes.last?.keepsFirst ?? false }

  mutating func append(_ change: Change) {
    if change.keepsFirst != keepsFirst { changes.append(change) }
  }

  private static let newest: UInt64 = 1 << 63
  private static let oldest: UInt64 = 1 << 62

  /// Of two live versions the one of the higher rank wins; a removed one has `hiddenRank`, below all.
  package func rank(of lsn: LSN) -> UInt64 {
    if changes.isEmpty { return Self.newest | lsn }
    var (low, high) = (0, changes.count)
    while low < high {
      let middle = (low + high) / 2
      if changes[middle].lsn <= lsn { low = middle + 1 } else { high = middle }
    }
    let keepsFirst = low > 0 && changes[low - 1].keepsFirst
    return keepsFirst ? Self.oldest | (Self.oldest - 1 &- lsn) : Self.newest | lsn
  }

  package static func hiddenRank(of lsn: LSN) -> UInt64 { lsn & (oldest - 1) }
}
