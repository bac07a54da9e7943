/// A meter's frame as it goes over the wire.
enum FrameJSON {
  /// One object; `timestamp` is in seconds.
  static func append(
    _ second: MeterFleet.Second, sensor: Int, name: String, timestamp: Int64, to out: inout [UInt8]
  ) {
    out.append(contentsOf: #"{"version":"221013","sensor_id":""#.utf8)
    out.append(contentsOf: name.utf8)
    out.append(contentsOf: #"","timestamp":"#.utf8)
    append(timestamp, to: &out)
    out.append(contentsOf: #","data":["#.utf8)
    for probe in 0..<MeterFleet.probeCount {
      let samples = second.samples(sensor: sensor, probe: probe)
      out.append(contentsOf: (probe == 0 ? "" : ",").utf8)
      out.append(contentsOf: #"{"probe_id":"#.utf8)
      append(Int64(probe + 1), to: &out)
      out.append(contentsOf: #","probe_type":"CT","power":"#.utf8)
      append(second.power[samples], to: &out)
      out.append(contentsOf: #","pf":"#.utf8)
      append(second.pf[samples], to: &out)
      out.append(contentsOf: #","voltage":"#.utf8)
      append(second.voltage[samples], to: &out)
      out.append(UInt8(ascii: "}"))
    }
    out.append(contentsOf: "]}".utf8)
  }

  private static func append(_ numbers: ArraySlice<Int64>, to out: inout [UInt8]) {
    out.append(UInt8(ascii: "["))
    for (index, number) in numbers.enumerated() {
      if index > 0 { out.append(UInt8(ascii: ",")) }
      append(number, to: &out)
    }
    out.append(UInt8(ascii: "]"))
  }

  private static func append(_ number: Int64, to out: inout [UInt8]) {
    if (0..<10_000).contains(number) {
      let digits = UInt16(truncatingIfNeeded: number)
      func append(_ digit: UInt16) { out.append(UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: digit)) }
      if digits >= 1000 { append(digits / 1000) }
      if digits >= 100 { append(digits / 100 % 10) }
      if digits >= 10 { append(digits / 10 % 10) }
      append(digits % 10)
      return
    }
    let start = out.count
    var rest = number.magnitude
    repeat {
      out.append(UInt8(ascii: "0") + UInt8(rest % 10))
      rest /= 10
    } while rest > 0
    if number < 0 { out.append(UInt8(ascii: "-")) }
    out[start...].reverse()
  }
}
