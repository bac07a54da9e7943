import Glibc
import Testing

@testable import TSEngine

/// A client of the log that remembers what it sent and what was acknowledged, over any number of
/// lives of the writer. A body names its batch and the batch's size, so that half a batch shows.
struct LogModel {
  private(set) var acked: [LSN: [UInt8]] = [:]
  private(set) var sent: [LSN: Set<[UInt8]>] = [:]
  private var nextBatch = 0
  private var random: SimRandom

  init(seed: UInt64) { random = SimRandom(seed: seed) }

  private mutating func batch(_ first: LSN) -> (LogBatchBuilder, [LSN: [UInt8]]) {
    let count = 1 + random.below(3)
    var builder = LogBatchBuilder(reserving: 64)
    var bodies: [LSN: [UInt8]] = [:]
    for index in 0..<count {
      let lsn = first + UInt64(index)
      let filler = random.below(8) == 0 ? random.below(9_000) : random.below(40)
      var body: [UInt8] = [
        UInt8(truncatingIfNeeded: nextBatch), UInt8(truncatingIfNeeded: nextBatch >> 8),
        UInt8(count), UInt8(truncatingIfNeeded: random.next()),
      ]
      body += [UInt8](repeating: UInt8(truncatingIfNeeded: random.next()), count: filler)
      builder.add(.frame, body)
      bodies[lsn] = body
      sent[lsn, default: []].insert(body)
    }
    nextBatch += 1
    return (builder, bodies)
  }

  /// Some appends, syncs, seals and rotations; ends early when the writer is of no more use.
  mutating func work(_ writer: LogWriter, clock: SimClock, steps: Int) {
    for _ in 0..<steps {
      clock.advance(nanos: 1_000)
      if random.below(20) == 0 { clock.jump(toNanos: Int64(random.below(1 << 40))) }
      var waiting: [LSN: [UInt8]] = [:]
      do throws(StorageError) {
        for _ in 0...random.below(2) {
          var (builder, bodies) = batch(writer.nextLSN)
          _ = try writer.append(&builder)
          waiting.merge(bodies) { $1 }
        }
        try writer.sync()
        acked.merge(waiting) { $1 }
        if random.below(4) == 0 { try writer.writeIdleSeal() }
        if random.below(6) == 0 { try writer.rotate() }
      } catch {
        if error.code == .closed || writer.isFailStopped { return }
      }
    }
  }

  /// acked ⊆ recovered ⊆ sent, whole batches only. What was recovered is acknowledged from now on.
  mutating func check(_ records: [LogBench.Record], _ note: String) {
    var found: [LSN: [UInt8]] = [:]
    var last: LSN = 0
    for record in records {
      #expect(record.lsn > last, "\(note): LSNs rise")
      last = record.lsn
      #expect(sent[record.lsn]?.contains(record.body) == true, "\(note): never sent \(record.lsn)")
      found[record.lsn] = record.body
    }
    for (lsn, body) in acked { #expect(found[lsn] == body, "\(note): lost \(lsn)") }
    let batches = Dictionary(grouping: records) { Array($0.body[..<3]) }
    for (name, members) in batches {
      #expect(members.count == Int(name[2]), "\(note): half a batch")
    }
    acked = found
  }
}
