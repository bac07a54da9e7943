/// Groups that are in the log and not yet durable, in their order. While one is synced by whoever
/// wrote it, the next leader decides and writes the next; so the processor and the disk work at the
/// same time. A group is settled (synced, shown, answered) only when all before it are.
///
/// Only the leader enters; whoever entered a group settles it, and needs no lead for that.
struct CommitPipeline: Sendable {
  /// The place of a group: how many entered before it.
  typealias Place = UInt64

  private struct Counts: Sendable {
    var entered: Place = 0
    var left: Place = 0
  }

  private let counts = Monitor(Counts())

  /// Nothing is under way.
  var isEmpty: Bool { counts.read { $0.entered == $0.left } }

  func enter() -> Place {
    counts.change { counts in
      counts.entered += 1
      return counts.entered - 1
    }
  }

  /// Waits until all groups before `place` have left.
  func awaitTurn(_ place: Place) { counts.wait { $0.left == place ? () : nil } }

  /// Ends the turn of the oldest group.
  func leave() { counts.change { $0.left += 1 } }

  /// Waits until nothing is under way.
  func drain() { counts.wait { $0.left == $0.entered ? () : nil } }
}
