import Glibc
import TSEngine

/// Frames into a store of this process: one durable commit for each second of the fleet.
final class StoreTarget: FrameTarget {
  private let store: Store
  private let ids: (power: ColumnID, pf: ColumnID, voltage: ColumnID, span: ColumnID, voltageSpan: ColumnID)
  private let symbols: [(column: ColumnID, code: Int64)]
  private var batch = FrameBatch(table: TableSchema.power.id)
  private var total = AppendResult()

  init(_ store: Store) throws {
    self.store = store
    let columns = Dictionary(uniqueKeysWithValues: TableSchema.power.columns.map { ($0.name, $0.id) })
    guard let power = columns["power"], let pf = columns["pf"], let voltage = columns["voltage"],
      let span = columns["span"], let voltageSpan = columns["voltage_span"], let type = columns["probe_type"],
      let version = columns["version"]
    else { throw CommandError.failed("the table power lacks a column") }
    ids = (power, pf, voltage, span, voltageSpan)
    symbols = [(type, store.symbols.code(of: "CT")), (version, store.symbols.code(of: "221013"))]
  }

  func send(
    _ second: MeterFleet.Second, of sensors: [String], at timestamp: Int64, acknowledged: (Int64) -> Void
  ) throws {
    let perSecond = MeterPhase.samplesPerSecond
    let (start, overflow) = timestamp.multipliedReportingOverflow(by: 1_000_000_000)
    guard !overflow, let times = RegularTimes(start: start, span: 1_000_000_000, count: perSecond) else {
      throw CommandError.usage("the readings end after the year 2262; begin them earlier with --start")
    }
    batch.removeAll()
    for (sensor, name) in sensors.enumerated() {
      batch.beginFrame(device: name)
      for probe in 0..<MeterFleet.probeCount {
        let samples = second.samples(sensor: sensor, probe: probe)
        batch.beginRun(probe: Int32(probe + 1), times: .regular(times))
        batch.add(ids.power, second.power[samples])
        batch.add(ids.pf, second.pf[samples])
        batch.add(ids.voltage, second.voltage[samples])
        batch.add(ids.span, constant: times.stepNumerator)
        batch.add(ids.voltageSpan, constant: times.stepNumerator)
        for symbol in symbols { batch.add(symbol.column, constant: symbol.code) }
      }
    }
    let began = System.monotonicNanos()
    let result = try append(batch)
    acknowledged(System.monotonicNanos() - began)
    total.new += result.new
    total.same += result.same
    total.conflict += result.conflict
    total.quarantined += result.quarantined
    total.expired += result.expired
  }

  /// Waits while sealing catches up: a fleet of one process may send faster than any real one.
  private func append(_ batch: FrameBatch) throws -> AppendResult {
    while true {
      do throws(StorageError) {
        return try store.append(batch, creator: StoreAccess.actor)
      } catch {
        guard error.code == .overloaded, !Interrupts.shared.isPending else { throw error }
        usleep(20_000)
      }
    }
  }

  func finish(acknowledged: (Int64) -> Void) throws {}

  var outcome: String? {
    "new=\(total.new) same=\(total.same) conflict=\(total.conflict) quarantined=\(total.quarantined)"
      + " expired=\(total.expired)"
  }
}
