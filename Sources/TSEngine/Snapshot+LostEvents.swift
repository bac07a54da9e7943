/// What a damaged journal leaves unknown. Any of its events may have removed readings that came before it, may say which
/// version of a reading counts from then on, and may be one of the registry.
extension Snapshot {
  /// - Throws: `.corrupt`, naming the journal and its LSNs, while events of the registry are lost, unless
  ///   this snapshot reads around damage.
  package func requireWholeRegistry() throws(StorageError) {
    guard !skipsDamage, case .store(let live, _) = backing, let lost = live.lostEvents.last else { return }
    throw lost.error("what they say of devices, users and tables")
  }

  /// Why nobody can say whose a device was.
  var lostOwnership: StorageError? {
    do throws(StorageError) {
      try requireWholeRegistry()
      return nil
    } catch { return error }
  }

  /// Lets through what no lost event can have changed: stretches without an overlap, all of whose rows came
  /// after the events. Events later than this snapshot change nothing in it.
  /// - Throws: `.corrupt` as above. O(stretches), nothing while the journal is whole.
  func requireUnaffected(_ stretches: [Stretch]) throws(StorageError) {
    guard !skipsDamage, case .store(let live, _) = backing,
      let lost = live.lostEvents.last(where: { $0.firstLSN <= lsn })
    else { return }
    for stretch in stretches where stretch.lsnBounds.lowerBound <= lost.lastLSN || stretch.isMerged {
      throw lost.error(
        "whether they removed or replaced readings between \(stretch.firstTime) and \(stretch.lastTime) ns")
    }
  }

  /// As above, for all that buckets of a series up to `end` are made of.
  func requireUnaffected(_ key: SeriesKey, before end: Int64) throws(StorageError) {
    guard !skipsDamage, case .store(let live, _) = backing, !live.lostEvents.isEmpty, end > .min else { return }
    _ = try scan(key.table, ScanFilter(devices: [key.device], probes: [key.probe], times: .min..<end))
  }
}

extension Stretch {
  /// Which of several versions counts is told from the registry.
  fileprivate var isMerged: Bool { if case .merged = source { true } else { false } }
}

extension Manifest.Damage {
  /// What is left of events that cannot be read, and so what to do about them.
  enum Remains {
    /// Nothing tells what they said.
    case lost
    /// REGISTRY tells what came of them. A copy of what is left must not be what somebody goes on with lightly.
    case covered
    /// A salvage made the store without them.
    case leftBehind
  }

  /// Of a journal: why something is not told.
  func error(_ unknown: String, _ remains: Remains = .lost) -> StorageError {
    let advice =
      switch remains {
      case .lost:
        "is not known; tsq salvage copies what is left into a store that answers, "
          + "tsq query --around-damage reads it as it is"
      case .covered:
        "is not known, but what came of it is, from the file REGISTRY alone: keep that, and put this journal back "
          + "from a backup; tsq query --around-damage reads what is left"
      case .leftBehind:
        "is not known: tsq salvage made this store without them; tsq query --around-damage reads what is left"
      }
    return StorageError(
      .corrupt, "the events of LSN \(firstLSN) to \(lastLSN) are damaged, so \(unknown) \(advice)",
      file: file, offset: offset)
  }
}
