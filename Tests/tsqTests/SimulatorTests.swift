import Testing

@testable import tsq

@Suite struct SimulatorTests {
  @Test func `the same seed gives the same fleet, another one another`() {
    func sample(_ seed: UInt64) -> [Int64] {
      var fleet = MeterFleet(sensorCount: 2, seed: seed)
      var second = MeterFleet.Second()
      var all: [Int64] = []
      for _ in 0..<30 {
        fleet.next(into: &second)
        all += second.power + second.pf + second.voltage
      }
      return all
    }
    #expect(sample(7) == sample(7))
    #expect(sample(7) != sample(8))
  }

  @Test func `values keep the ranges and the share of idle samples of real meters`() {
    var fleet = MeterFleet(sensorCount: 10, seed: 1)
    var second = MeterFleet.Second()
    var (idle, count) = (0, 0)
    for _ in 0..<600 {
      fleet.next(into: &second)
      #expect(second.power.allSatisfy { (0...4000).contains($0) })
      #expect(second.pf.allSatisfy { (0...1000).contains($0) })
      #expect(second.voltage.allSatisfy { (2150...2450).contains($0) })
      idle += second.power.count { $0 <= 1 }
      count += second.power.count
    }
    #expect(count == 10 * 3 * 20 * 600)
    #expect((0.25...0.75).contains(Double(idle) / Double(count)))
  }

  @Test func `a frame is the meter's JSON (P-01, P-02)`() {
    var fleet = MeterFleet(sensorCount: 1, seed: 1)
    var second = MeterFleet.Second()
    fleet.next(into: &second)
    var out: [UInt8] = []
    FrameJSON.append(second, sensor: 0, name: fleet.sensors[0], timestamp: 1_666_000_000, to: &out)
    let text = String(decoding: out, as: UTF8.self)
    #expect(text.hasPrefix(#"{"version":"221013","sensor_id":"gresystem000001","timestamp":1666000000,"data":[{"probe_id":1,"#))
    #expect(text.hasSuffix("]}]}"))
    #expect(text.split(separator: ",").count == 3 + 3 * 62)
  }
}

@Suite struct ServerURLTests {
  @Test func `URLs name host and port, with the port of the scheme when none is given`() throws {
    #expect(try ServerURL("http://localhost").port == 8086)
    #expect(try ServerURL("http://10.0.0.1:9000/x/").text == "http://10.0.0.1:9000/x")
    #expect(try ServerURL("http://[::1]").text == "http://[::1]:8086")
  }

  @Test(arguments: ["localhost", "http://", "http://a:b", "http://a:0", "ftp://a", "https://a", "http://u:p@h"])
  func `a wrong URL is a usage error`(text: String) {
    #expect { try ServerURL(text) } throws: { ($0 as? CommandError)?.status == .usage }
  }
}
