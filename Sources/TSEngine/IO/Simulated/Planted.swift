#if TSQ_PLANTED
  import Synchronization
#endif

/// Mistakes an engine of this kind is prone to, planted on purpose: the fault campaigns must see
/// each of them (R14). Without the build condition `TSQ_PLANTED` none of them is in the code: `has`
/// is the constant false.
package enum Planted: Int, CaseIterable, Sendable {
  /// Answers once a batch is written, before it is synced.
  case ackBeforeSync = 1
  /// Shows rows before they are durable.
  case shownBeforeSync
  /// Goes on writing after a sync failed.
  case failStopForgotten
  /// Goes on behind a write that failed halfway, without taking it back.
  case failedWriteKept
  /// Believes a batch whose payload fails its checksum.
  case payloadUnchecked
  /// Believes a batch header that fails its checksum.
  case headerUnchecked
  /// Cuts off whatever fails its check, acknowledged or not.
  case damageTruncated
  /// Takes a torn tail for damage.
  case tornTakenForDamage
  /// Leaves a torn tail where it is.
  case tornTailLeft
  /// Gives LSNs again that the manifest knows of.
  case lsnReused
  /// Opens the log under the epoch that it had.
  case epochKept
  /// Believes what a killed writer left in memory, without a sync.
  case tailNotSettled
  /// Replays what is sealed already.
  case sealedReplayed
  /// Forgets, at an opening, which stretches of time the series have.
  case coverageLost
  /// Believes a section of a data segment that fails its checksum.
  case sectionUnchecked
  /// Removes the files that a compaction replaces before the manifest says so.
  case removedBeforeManifest
  /// Removes what the manifest does not name though the manifest may have lost an edit.
  case damageHealedByDeletion
  /// Does not skip the LSN that a bulk append took.
  case bulkLSNForgotten
  /// Believes that the series checkpoint covers segments that came after it.
  case staleCheckpointBelieved
  /// Gives stored buckets of a rollup as they are, whatever came since.
  case rollupNotInvalidated
  /// Forgets that what came since may have displaced a sample that reached into the next bucket.
  case rollupReachForgotten
  /// Forgets, at an opening, that a table was dropped.
  case droppedTableReturns
  /// Forgets, at an opening, the columns that a table got later.
  case addedColumnsForgotten
  /// Takes removed readings off the disk with those that came again since.
  case purgeTakesLaterReadings
  /// Answers by the events that are left when a journal is damaged.
  case lostEventsIgnored
  /// Leaves out events that are damaged in a journal which the registry checkpoint covers, without a word.
  case damagedEventsLeftOut

  #if TSQ_PLANTED
    private static let chosen = Atomic<Int>(0)

    @inline(__always)
    package static func has(_ bug: Planted) -> Bool { chosen.load(ordering: .relaxed) == bug.rawValue }

    /// Plants one bug in the whole process; nil removes it.
    package static func choose(_ bug: Planted?) { chosen.store(bug?.rawValue ?? 0, ordering: .sequentiallyConsistent) }
  #else
    @inline(__always)
    package static func has(_ bug: Planted) -> Bool { false }
  #endif
}
