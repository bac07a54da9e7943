import TSEngine

/// What a client knows of its backups and of the stores made from them.
struct Copies {
  struct Copy {
    var folder: String
    /// What it holds.
    var rows: RowSum
  }

  /// Backups that the store called whole, oldest first.
  var backups: [Copy] = []
  /// The folder of a backup under way.
  var unfinished: String?
  /// Of a restore, finished or not: one that has a STORE is whole.
  var restored: Copy?
  var isRestored = false

  /// What a backup under `folder` shows when a store is made from it.
  static func restore(
    _ folder: String, to target: String, _ options: StoreOptions
  ) throws(StorageError) -> RowSum {
    _ = try Restore.run(options, from: folder, to: target)
    return try rows(target, options)
  }

  static func rows(_ folder: String, _ options: StoreOptions) throws(StorageError) -> RowSum {
    let store = try Store.open(folder, options)
    if let damage = store.damages.first { throw StorageError(.invalid, "\(folder) calls it damage: \(damage)") }
    let rows = try Reading.sums(store.snapshot())[0]
    try store.close()
    return rows
  }
}

extension Judge {
  /// A backup that was acknowledged comes back as it was; one that was not is refused, or whole; so
  /// is a restored store. On a copy of `disk`.
  static func checkCopies(
    _ disk: SimDisk, _ ledger: Ledger, at nanos: Int64, seed: UInt64
  ) throws(Wrong) {
    let copies = ledger.copies
    let disk = SimDisk(copyOf: disk, seed: seed)
    let options = Bench.options(WatchedDisk(disk), SimClock(nanos: nanos), seed: seed)
    if let backup = copies.backups.last {
      do throws(StorageError) {
        let rows = try Copies.restore(backup.folder, to: "j", options)
        guard rows == backup.rows else { throw StorageError(.invalid, "the backup holds other rows") }
      } catch {
        throw Wrong(text: "\(backup.folder) does not come back: \(error)")
      }
    }
    if let folder = copies.unfinished {
      let rows: RowSum?
      do throws(StorageError) { rows = try Copies.restore(folder, to: "k", options) } catch {
        if error.code == .invalid { throw Wrong(text: "the unfinished \(folder): \(error)") }
        rows = nil
      }
      if let rows, !ledger.states.contains(where: { $0.sum == rows }) {
        throw Wrong(text: "the unfinished \(folder) passes for whole and holds other rows")
      }
    }
    if let restored = copies.restored {
      guard disk.exists("\(restored.folder)/STORE") else {
        if copies.isRestored { throw Wrong(text: "\(restored.folder) is gone") }
        return
      }
      do throws(StorageError) {
        let rows = try Copies.rows(restored.folder, options)
        guard rows == restored.rows else { throw StorageError(.invalid, "it holds other rows") }
      } catch {
        throw Wrong(text: "\(restored.folder), restored: \(error)")
      }
    }
  }
}
