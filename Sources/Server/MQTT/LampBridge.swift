/// The part of a lamp's mosquitto configuration that bridges it to the central broker (L-40): what is asked of the
/// lamp comes in, what it says goes out, and both wait while the line is down.
package enum LampBridge {
  /// - Parameters:
  ///   - address: `host:port` of the central broker.
  ///   - login: user and password of the bridge there, where it needs them.
  package static func configuration(
    of device: String, to address: String, login: (user: String, password: String)? = nil
  ) -> String {
    var lines = [
      "connection \(device)_broker",
      "address \(address)",
      "remote_clientid \(device)_broker",
      "bridge_protocol_version mqttv311",
      "cleansession false",
      "notifications true",
      "restart_timeout 1 30",
    ]
    if let login { lines += ["remote_username \(login.user)", "remote_password \(login.password)"] }
    for (topic, direction, qos) in [
      ("lamp/set_config", "in", 1), ("lamp/changed", "out", 1), ("lamp/connection/+/state", "out", 2),
      ("lamp/associated", "in", 2), ("lamp/bluetooth", "out", 1),
    ] {
      lines.append("topic \(topic) \(direction) \(qos) \"\" devices/\(device)/")
    }
    return lines.joined(separator: "\n") + "\n"
  }
}
