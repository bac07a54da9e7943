import Glibc
import TSEngine

/// A process for tests: `engine-probe write FOLDER ROUNDS` appends, seals and compacts in a loop;
/// `engine-probe read FOLDER ROUNDS` opens the same store beside it again and again, each time reading
/// all rows twice. Exit codes: 0 done, 1 wrong sums, 3 another error, 4 busy.
///
/// Round r writes 20 rows of value r, so a store of k rounds holds 20·k rows whose sum is 10·k·(k − 1).
enum Probe {
  static let start: Int64 = 1_700_000_000_000_000_000

  static func write(_ folder: String, rounds: Int) throws(StorageError) {
    var options = StoreOptions()
    options.reserveByteCount = 4096
    options.tailKeptByteCount = 0
    options.compaction.targetByteCount = 30_000
    let store = try Store.open(folder, options)
    for round in 0..<rounds {
      var batch = FrameBatch(table: 1)
      batch.beginFrame(device: "m1")
      let first = start + Int64(round) * 1_000_000_000
      let times = RegularTimes(start: first, span: 1_000_000_000, count: 20)!
      batch.beginRun(probe: 1, times: .regular(times))
      batch.add(1, [Int64](repeating: Int64(round), count: 20))
      _ = try store.append(batch, creator: Actor(.daemon, "probe"))
      if round % 3 == 2 { try store.seal() }
      if round % 20 == 19 { try store.compact() }
      usleep(2_000)
    }
    try store.close()
  }

  static func read(_ folder: String, rounds: Int) throws(StorageError) -> Bool {
    var options = StoreOptions()
    options.isReadOnly = true
    // Whatever is read comes from the files, opened anew.
    options.cacheByteLimit = 0
    options.indexByteLimit = 0
    options.openFileLimit = 1
    var newest = 0
    for _ in 0..<rounds {
      let store = try Store.open(folder, options)
      let snapshot = store.snapshot()
      let first = try sum(snapshot)
      usleep(30_000)
      let second = try sum(snapshot)
      let count = first.rows / 20
      guard store.damages.isEmpty, first == second, first.rows % 20 == 0, count >= newest,
        first.sum == Int64(10 * count * max(0, count - 1))
      else {
        print("\(first) \(second) after \(newest): \(store.damages)")
        return false
      }
      newest = count
    }
    print(newest)
    return true
  }

  static func sum(_ snapshot: Snapshot) throws(StorageError) -> (rows: Int, sum: Int64) {
    var (rows, sum) = (0, Int64(0))
    for stretch in try snapshot.scan(1).stretches {
      let set = try stretch.rows()
      for row in 0..<set.count { sum += set.slot(1, row: row) ?? 0 }
      rows += set.count
    }
    return (rows, sum)
  }
}

do throws(StorageError) {
  let arguments = CommandLine.arguments
  guard arguments.count == 4, let rounds = Int(arguments[3]) else { exit(2) }
  if arguments[1] == "write" {
    try Probe.write(arguments[2], rounds: rounds)
  } else if try !Probe.read(arguments[2], rounds: rounds) {
    exit(1)
  }
} catch {
  print(error)
  exit(error.code == .busy ? 4 : 3)
}
