import Testing

@testable import TSEngine

/// What a group of requests decides about readings that only its own earlier requests hold.
@Suite struct IntakeTests {
  private static let second: Int64 = 1_000_000_000
  private static let start: Int64 = 1_700_000_000 * second

  private static func batch(_ seconds: [Int], device: String = "m") throws -> FrameBatch {
    var batch = FrameBatch(table: TableSchema.power.id)
    for at in seconds {
      batch.beginFrame(device: device)
      let times = try #require(RegularTimes(start: start + Int64(at) * second, span: second, count: 20))
      batch.beginRun(probe: 1, times: .regular(times))
      batch.add(1, (0..<20).map { Int64(at * 20 + $0) })
    }
    return batch
  }

  private struct Desk {
    var intake = Intake(limits: Intake.Limits())
    let catalog = SeriesCatalog()

    /// Rows that are new, or nil when the request must wait for the group before it.
    mutating func new(_ batch: FrameBatch) throws -> Int? {
      let outcome = try intake.decide(batch, now: IntakeTests.start, series: catalog) {
        (_, _, _) throws(StorageError) in nil
      }
      guard case .accepted(let accepted) = outcome else { return nil }
      return accepted.result.new
    }
  }

  @Test func framesOutOfOrderShareAGroupAndRepeatsWaitForIt() throws {
    var desk = Desk()
    desk.intake.beginGroup()
    #expect(try desk.new(Self.batch([10])) == 20)
    #expect(try desk.new(Self.batch([5])) == 20, "earlier, but nobody has it")
    #expect(try desk.new(Self.batch([7, 6])) == 40)
    #expect(try desk.new(Self.batch([10])) == nil, "its original is not durable yet")
    #expect(try desk.new(Self.batch([6])) == nil)
    #expect(try desk.new(Self.batch([6], device: "other")) == 20)
    #expect(try desk.new(Self.batch([8])) == 20)
    desk.intake.beginGroup()
    #expect(try desk.new(Self.batch([6])) == 20, "the next group asks what is durable: nothing")
  }

  @Test func aRepeatWithinOneRequestIsSameAndARefusedRequestLeavesNoTrace() throws {
    var desk = Desk()
    desk.intake.beginGroup()
    #expect(try desk.new(Self.batch([3, 3])) == 20)
    #expect(try desk.new(Self.batch([4, 3])) == nil, "half of it waits")
    #expect(try desk.new(Self.batch([4])) == 20, "the half that did not wait was not kept")
  }
}
