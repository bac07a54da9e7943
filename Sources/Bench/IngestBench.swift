import Glibc
import Synchronization
import TSEngine

/// Figures of one measured load.
package struct LoadFigures: Sendable {
  package var valueCount = 0
  package var seconds = 0.0
  package var commitMillis: [Double] = []
  package var valuesPerSecond: Double { Double(valueCount) / max(seconds, 1e-9) }
  package func percentile(_ p: Double) -> Double {
    guard !commitMillis.isEmpty else { return 0 }
    let sorted = commitMillis.sorted()
    return sorted[min(sorted.count - 1, Int(Double(sorted.count) * p))]
  }
}

/// Loads the benchmark's data into stores and times it.
package enum IngestBench {
  static let columns = TableSchema.power

  /// Bulk append of all series, durable at the end.
  package static func bulk(_ data: MeterData, into store: Store) throws -> LoadFigures {
    let started = now()
    var writer = try store.bulkWriter(columns.id, creator: Actor(.system, "bench"))
    var batch = FrameBatch(table: columns.id)
    for sensor in 0..<data.sensors {
      batch.removeAll()
      batch.beginFrame(device: MeterData.deviceID(sensor))
      for probe in 0..<MeterData.probes {
        add(data, sensor, probe, 0..<data.ticks, at: MeterData.start, to: &batch)
      }
      try writer.append(batch)
    }
    let result = try writer.commit()
    precondition(result.new == data.rowCount, "all rows are new")
    var figures = LoadFigures()
    figures.valueCount = data.valueCount
    figures.seconds = seconds(since: started)
    return figures
  }

  /// Streams `seconds` of the data; each producer has `sensors` of its own and sends their frames of a
  /// second as one append, the next one when that is acknowledged, which is after its sync. The
  /// batches are made before the clock starts.
  package static func stream(
    _ data: MeterData, sensors: Int, seconds range: Range<Int>, producers: Int = 1, into store: Store
  ) throws -> LoadFigures {
    precondition(sensors * producers <= data.sensors, "sensors for every producer")
    let loads = (0..<producers).map { producer in
      StreamLoad(range.map { frames(data, sensors: (producer * sensors)..<((producer + 1) * sensors), second: $0) })
    }
    let started = now()
    let others = try loads.dropFirst().map { load in
      try store.options.scheduler.run("producer") {
        load.run(into: store)
        return .done
      }
    }
    loads[0].run(into: store)
    for other in others { other.join() }
    var figures = LoadFigures()
    figures.seconds = seconds(since: started)
    for load in loads {
      let (millis, rowCount) = try load.outcome.withLock { $0 }.get()
      figures.commitMillis += millis
      figures.valueCount += rowCount * 3
    }
    return figures
  }

  /// What one producer sends.
  private final class StreamLoad: Sendable {
    private let batches: [FrameBatch]
    let outcome = Mutex<Result<(millis: [Double], rowCount: Int), any Error>>(.success(([], 0)))

    init(_ batches: [FrameBatch]) { self.batches = batches }

    func run(into store: Store) {
      let result = Result { () throws -> (millis: [Double], rowCount: Int) in
        var millis: [Double] = []
        var rowCount = 0
        for batch in batches {
          let begun = now()
          let result = try append(batch, to: store)
          millis.append(Double(now() - begun) / 1e6)
          precondition(result.new == batch.rowCount, "all rows are new")
          rowCount += result.new
        }
        return (millis, rowCount)
      }
      outcome.withLock { $0 = result }
    }
  }

  /// Waits, on the clock, while sealing is behind.
  private static func append(_ batch: FrameBatch, to store: Store) throws -> AppendResult {
    while true {
      do throws(StorageError) {
        return try store.append(batch, creator: Actor(.system, "bench"))
      } catch {
        guard error.code == .overloaded else { throw error }
        usleep(1000)
      }
    }
  }

  /// The frames of some sensors in one second of the data.
  /// - Parameter start: its first instant, if not the data's own.
  package static func frames(
    _ data: MeterData, sensors: Range<Int>, second: Int, at start: Int64? = nil
  ) -> FrameBatch {
    var batch = FrameBatch(table: columns.id)
    let ticks = (second * 20)..<(second * 20 + 20)
    let start = start ?? MeterData.start + Int64(ticks.lowerBound) * MeterData.stepNanos
    for sensor in sensors {
      batch.beginFrame(device: MeterData.deviceID(sensor))
      for probe in 0..<MeterData.probes { add(data, sensor, probe, ticks, at: start, to: &batch) }
    }
    return batch
  }

  private static func add(
    _ data: MeterData, _ sensor: Int, _ probe: Int, _ ticks: Range<Int>, at start: Int64,
    to batch: inout FrameBatch
  ) {
    let series = sensor * MeterData.probes + probe
    guard
      let times = RegularTimes(
        start: start,
        span: Int64(ticks.count) * MeterData.stepNanos, count: ticks.count)
    else { return }
    batch.beginRun(probe: Int32(probe + 1), times: .regular(times))
    let (power, pf, voltage) = (data.power[series], data.pf[series], data.voltage[series])
    batch.add(1, power.span.extracting(ticks))
    batch.add(2, pf.span.extracting(ticks))
    batch.add(3, voltage.span.extracting(ticks))
    batch.add(4, constant: MeterData.stepNanos)
    batch.add(5, constant: MeterData.stepNanos)
  }

  package static func now() -> Int64 { SystemClock().monotonicNanos() }
  package static func seconds(since start: Int64) -> Double { Double(now() - start) / 1e9 }
}
