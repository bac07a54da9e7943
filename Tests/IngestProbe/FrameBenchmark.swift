import Ingest
import TSEngine

/// Frames a second through `PowerFrameParser`, on bodies shaped like the contract's example.
func benchmarkFrames() {
  var random = SystemRandomNumberGenerator()
  let bodies = (0..<256).map { meter in
    frameJSON(meter: meter, second: 0, voltage: true, using: &random)
  }
  let arrayBody = Array("[".utf8) + Array(bodies.prefix(100).joined(separator: [0x2C])) + [0x5D]
  let symbols = SymbolTable()
  var parser = PowerFrameParser(symbols: symbols)
  var batch = FrameBatch(table: TableSchema.power.id)
  var infos: [FrameInfo] = []
  let bytes = bodies.reduce(0) { $0 + $1.count } / bodies.count
  for (name, requests) in [("single frames", bodies), ("arrays of 100", [arrayBody])] {
    var frames = 0
    let start = cpuSeconds()
    while cpuSeconds() - start < 2 {
      for body in requests {
        do {
          try parser.parse(body, into: &batch, infos: &infos)
        } catch { fatalError("\(error)") }
        if infos.count >= 1_000 {
          frames += infos.count
          batch.removeAll()
          infos.removeAll(keepingCapacity: true)
        }
      }
    }
    frames += infos.count
    let seconds = cpuSeconds() - start
    print(
      "\(name): \(Int(Double(frames) / seconds)) frames/s of \(bytes) bytes, "
        + "\(Int(Double(frames * bytes) / seconds / 1e6)) MB/s")
  }
}

func frameJSON(
  meter: Int, second: Int, voltage: Bool, using random: inout some RandomNumberGenerator
) -> [UInt8] {
  func list(_ range: ClosedRange<Int>) -> String {
    "[" + (0..<20).map { _ in "\(Int.random(in: range, using: &random))" }.joined(separator: ",")
      + "]"
  }
  let digits = String(meter + 1_000_000).dropFirst()
  var text = #"{"version":"221013","sensor_id":"gresystem\#(digits)","#
  text +=
    #""token":"0123456789abcdef0123456789abcdef","timestamp":\#(1_666_000_000 + second),"data":["#
  for probe in 1...3 {
    if probe > 1 { text += "," }
    text += #"{"probe_id":\#(probe),"probe_type":"CT","power":\#(list(800...3000)),"#
    text += #""pf":\#(list(600...1000)),"voltage":\#(voltage ? list(2250...2350) : "2300")}"#
  }
  return Array((text + "]}").utf8)
}
