import Synchronization

/// Encodes the series of a bulk append on all cores: whoever is free takes the next one, the calling
/// thread too, and that one writes the blocks in the order of the series. Encoding is nearly all of
/// the work of a load, so it takes nearly half the time on two cores.
///
/// Helpers take nothing after `run` returned, and where the scheduler has no threads (a simulation, a
/// process at its limit) the caller does all of it.
final class BulkEncoding: Sendable {
  private struct Series: Sendable {
    var key: SeriesKey
    var rows: [RowSet]
    var superseded: [RowSet]
  }

  private struct State: Sendable {
    var series: [Series] = []
    var next = 0
    /// By place in `series`; nil until it is encoded.
    var built: [Result<[BuiltBlocks.Part], StorageError>?] = []
  }

  /// Helpers beside the caller: the machines tsq is made for have two cores or more.
  private static let helperCount = 1

  private let schema: TableSchema
  private let symbols: SymbolTable
  private let sharing: BlockBuilder.Sharing
  private let state = Mutex(State())

  init(schema: TableSchema, symbols: SymbolTable, sharing: BlockBuilder.Sharing) {
    self.sharing = sharing
    self.schema = schema
    self.symbols = symbols
  }

  var isEmpty: Bool { state.withLock { $0.series.isEmpty } }

  /// Series in the order of their keys.
  func add(_ key: SeriesKey, _ rows: [RowSet], superseded: [RowSet]) {
    state.withLock { state in
      state.series.append(Series(key: key, rows: rows, superseded: superseded))
      state.built.append(nil)
    }
  }

  /// Writes the blocks of all series.
  /// - Throws: what writing throws.
  func run(
    on scheduler: any Scheduler, into writer: inout DataSegmentWriter
  ) throws(StorageError) {
    let count = state.withLock { $0.series.count }
    let helpers = (0..<max(0, min(Self.helperCount, count - 1))).compactMap { _ in
      try? scheduler.run("tsq-bulk") { [self] in
        encodeAll()
        return .done
      }
    }
    encodeAll()
    for helper in helpers { helper.join() }
    let builder = newBuilder()
    for place in 0..<count {
      let (key, built) = state.withLock { ($0.series[place].key, $0.built[place].take()) }
      guard let built else { preconditionFailure("every series was taken by somebody") }
      for part in try built.get() {
        switch part {
        case .block(let block): try writer.append(block, of: key)
        case .few(let rows): try writer.append(few: rows, of: key, builder)
        }
      }
    }
  }

  /// Encodes series until none is left.
  private func encodeAll() {
    var builder = newBuilder()
    while let (place, series) = takeNext() {
      var blocks = BuiltBlocks()
      let result: Result<[BuiltBlocks.Part], StorageError>
      do throws(StorageError) {
        try SeriesRewrite.append(
          series.rows.map { .rows($0) }, superseded: series.superseded, of: series.key,
          to: &blocks, builder: &builder)
        result = .success(blocks.parts)
      } catch {
        result = .failure(error)
      }
      state.withLock { $0.built[place] = result }
    }
  }

  private func newBuilder() -> BlockBuilder {
    BlockBuilder(schema: schema, symbols: symbols, sharing: sharing)
  }

  private func takeNext() -> (place: Int, series: Series)? {
    state.withLock { state in
      guard state.next < state.series.count else { return nil }
      state.next += 1
      return (state.next - 1, state.series[state.next - 1])
    }
  }
}
