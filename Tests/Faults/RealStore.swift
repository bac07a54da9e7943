import Glibc
import TSEngine

/// A client of a store on the disk of the machine, for the campaigns that kill a real process or cut
/// the power of a real file system: `faults write DIR COUNT` says `ACK i` when batch i is
/// acknowledged, `faults read DIR` says which batches are there.
enum RealStore {
  private static let probes: [Int32] = [1, 2, 3]
  private static let rowCount = 20
  private static let second: Int64 = 1_000_000_000

  private static func options() -> StoreOptions {
    var options = StoreOptions()
    options.reserveByteCount = 64 << 10
    options.log.preallocatedByteCount = 64 << 10
    options.tailKeptByteCount = 0
    return options
  }

  private static func batch(_ index: Int) -> FrameBatch {
    var batch = FrameBatch(table: 1)
    batch.beginFrame(device: "m\(index % 5)")
    let start = Bench.start + Int64(index) * second
    for probe in probes {
      guard let times = RegularTimes(start: start, span: second, count: rowCount) else { continue }
      batch.beginRun(probe: probe, times: .regular(times))
      batch.add(1, (0..<rowCount).map { Int64(index) * 1000 + Int64(probe) * 100 + Int64($0) })
    }
    return batch
  }

  /// Exit: 0 done, 20 refused, 21 fail-stopped, 22 did not open.
  static func write(_ directory: String, count: Int, waitsForRoom: Bool) -> Int32 {
    let store: Store
    do throws(StorageError) { store = try Store.open(directory, options()) } catch {
      say("FAIL open \(error)")
      return 22
    }
    let first = (try? indices(store).0.max()).flatMap { $0 } ?? 0
    var waited = 0
    var index = first + 1
    while index <= first + count {
      do throws(StorageError) {
        if index % 7 == 0 {
          var writer = try store.bulkWriter(1, creator: Bench.actor)
          try writer.append(batch(index))
          _ = try writer.commit()
        } else {
          _ = try store.append(batch(index), creator: Bench.actor)
        }
        say("ACK \(index)")
        if waited > 0 { say("RESUMED \(index)") }
        waited = 0
        if index % 10 == 0 { try store.seal() }
        if index % 30 == 0 { try store.compact() }
        index += 1
      } catch {
        if waitsForRoom, error.code == .diskFull, waited < 600 {
          if waited == 0 { say("FULL \(index)") }
          waited += 1
          usleep(20_000)
          continue
        }
        say("FAIL \(error)")
        return error.code == .failStopped || store.failure != nil ? 21 : 20
      }
    }
    do throws(StorageError) { try store.close() } catch {
      say("FAIL close \(error)")
      return 21
    }
    return 0
  }

  /// Exit: 0 read, 3 damage or a wrong value, 22 did not open.
  static func read(_ directory: String) -> Int32 {
    do throws(StorageError) {
      let store = try Store.open(directory, options())
      let (whole, wrong) = try indices(store)
      say("HAVE \(whole.sorted().map(String.init).joined(separator: " "))")
      for text in wrong { say("WRONG \(text)") }
      for damage in store.damages { say("WRONG damage \(damage)") }
      try store.close()
      return wrong.isEmpty && store.damages.isEmpty ? 0 : 3
    } catch {
      say("FAIL \(error)")
      return 22
    }
  }

  /// The batches that are there, whole, and what is wrong.
  private static func indices(_ store: Store) throws(StorageError) -> (Set<Int>, [String]) {
    var counts: [Int: Int] = [:]
    var wrong: [String] = []
    for (key, row) in try Reading.all(store.snapshot(), unread: { wrong.append("\($0)") }) {
      let index = Int((key.time - Bench.start) / second)
      counts[index, default: 0] += 1
      let place = (key.time - Bench.start) % second / (second / Int64(rowCount))
      if row.cells.slots[1] != Int64(index) * 1000 + Int64(key.series.probe) * 100 + place {
        wrong.append("\(key.series) \(key.time): \(row.cells)")
      }
    }
    let size = probes.count * rowCount
    for (index, count) in counts where count != size { wrong.append("batch \(index) has \(count) of \(size) rows") }
    return (Set(counts.keys), wrong)
  }

  /// A line at once, by one write: it is out when the process dies behind it.
  private static func say(_ text: String) {
    let bytes = Array((text + "\n").utf8)
    _ = Glibc.write(STDOUT_FILENO, bytes, bytes.count)
  }
}
