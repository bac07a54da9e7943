import ArgumentParser
import Server
import TSEngine

struct DeviceBridge: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bridge", abstract: "What a lamp's own mosquitto needs to reach the central broker.",
    discussion: """
      Prints the bridge's part of mosquitto.conf, for a file in conf.d on the lamp.

      EXAMPLE: tsq device bridge b827eb08451e --broker broker.example:1883
      """)
  @Argument(help: ArgumentHelp("The device.", valueName: "ID")) var id: String
  @Option(help: ArgumentHelp("The central broker.", valueName: "HOST:PORT")) var broker: String

  func run() throws {
    guard DeviceID.isLampi(id) else { throw CommandError.usage(Refusal.invalidDevice.sentence) }
    guard let address = ServerOptions.Address(broker), address.port > 0 else {
      throw CommandError.usage("--broker \(broker) is no address; one looks like broker.example:1883")
    }
    try FileSink(descriptor: 1).writeThrough(
      String(LampBridge.configuration(of: id, to: address.text).dropLast()))
  }
}

struct DeviceSetLamp: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "set-lamp", abstract: "Ask a lamp to become something.",
    discussion: """
      A server with a broker passes it on; the lamp says what it became.

      EXAMPLE: tsq device set-lamp b827eb08451e --on true --brightness 0.5 --connect http://127.0.0.1:8086
      """)
  @Argument(help: ArgumentHelp("The device.", valueName: "ID")) var id: String
  @Option(help: "Light or none.") var on: Bool?
  @Option(help: "From 0 to 1.") var brightness: Double?
  @Option(help: "From 0 to 1; with --saturation.") var hue: Double?
  @Option(help: "From 0 to 1; with --hue.") var saturation: Double?
  @OptionGroup var location: StoreLocation

  func validate() throws {
    guard on != nil || brightness != nil || hue != nil else {
      throw ValidationError("give --on, --brightness, or --hue and --saturation")
    }
    guard (hue == nil) == (saturation == nil) else { throw ValidationError("--hue and --saturation go together") }
    guard [brightness, hue, saturation].allSatisfy({ (0...1).contains($0 ?? 0) }) else {
      throw ValidationError("--brightness, --hue and --saturation are from 0 to 1")
    }
  }

  func run() throws {
    var json = JSONText()
    if let hue, let saturation {
      var color = JSONText()
      color.add("h", raw: "\(hue)")
      color.add("s", raw: "\(saturation)")
      json.add("color", raw: color.closed)
    }
    if let brightness { json.add("brightness", raw: "\(brightness)") }
    if let on { json.add("on", on) }
    let (id, body) = (id, json.closed)
    try RegistryAccess.at(location) { _ in
      throw CommandError.usage("a server passes orders on; give --connect URL")
    } server: { server in
      try server.post("devices", id, "set_config", json: body)
      Terminal.note("asked \(id)")
    }
  }
}
