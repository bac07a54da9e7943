import CMosquitto
import CTLS
import Glibc

/// One libmosquitto client, confined to the loop's thread. Callbacks copy bytes, enqueue, return.
///
/// libmosquitto 2.0.11 acknowledges a message before it delivers it. `mosquitto_threaded_set`
/// makes it queue what it sends, acknowledgements included, until `mosquitto_loop_write`: so
/// nothing is acknowledged before `write()` is called, and the loop calls that only after the
/// messages read so far are durable.
@safe final class MosquittoSession {
  private let client: OpaquePointer
  private let maximumPayloadByteCount: Int

  private static let propertyByteLimit = 16 << 10

  private(set) var received: [MQTTMessage] = []
  private(set) var receivedByteCount = 0
  /// The connection as the broker answered it: result, and whether it knew our session.
  private(set) var connectAnswer: (code: Int32, sessionPresent: Bool)?
  private(set) var disconnectCode: Int32?
  /// Publications the library has and the broker has not confirmed, by packet id. Ids are 16 bits
  /// and come round again, so the loop keeps these few.
  private var unconfirmed: [Int32: (qos: Int32, confirmed: (@Sendable (Bool) -> Void)?)] = [:]
  var unconfirmedCount: Int { unconfirmed.count }
  private(set) var grants: [(packetID: Int32, qos: Int32)] = []
  /// Packet ids of what the broker has unsubscribed.
  private(set) var ended: [Int32] = []
  private let isEncrypted: Bool
  /// Of the connection at hand, kept beyond its end for OpenSSL's verdict on the broker.
  private var connection: OpaquePointer?
  private var tlsLog: [String] = []
  private static let tlsLogLimit = 16

  /// Nil when the library has no memory, the id is not one, or a file of TLS cannot be opened.
  init?(_ options: MQTTOptions, version: MQTTOptions.ProtocolVersion) {
    _ = mosquittoIsInitialised
    maximumPayloadByteCount = options.maximumPayloadByteCount
    isEncrypted = options.tls != nil
    guard let client = unsafe mosquitto_new(options.clientID, !options.keepsSession, nil) else { return nil }
    unsafe self.client = client
    // SAFETY: `client` is live until `deinit`, which alone destroys it; the library calls back
    // only inside calls made through this object, so the unretained `self` outlives each callback.
    unsafe mosquitto_user_data_set(client, Unmanaged.passUnretained(self).toOpaque())
    unsafe mosquitto_threaded_set(client, true)
    unsafe mosquitto_int_option(
      client, MOSQ_OPT_PROTOCOL_VERSION,
      version == .v5 ? MQTT_PROTOCOL_V5 : MQTT_PROTOCOL_V311)
    // The default of 20 would have the broker wait for us after every 20 messages; many more than
    // a batch would only be delivered again after a kill.
    unsafe mosquitto_int_option(client, MOSQ_OPT_RECEIVE_MAXIMUM, Int32(clamping: options.batchLimit))
    unsafe mosquitto_max_inflight_messages_set(client, 1_000)
    if let username = options.username {
      unsafe mosquitto_username_pw_set(client, username, options.password)
    }
    if let tls = options.tls {
      // A key with a password is refused; the terminal is not asked for one.
      let code = unsafe mosquitto_tls_set(
        client, tls.caFile, tls.caFile == nil ? MQTTTLS.systemDirectory : nil, tls.certFile, tls.keyFile,
        { _, _, _, _ in 0 })
      guard code == Int32(MOSQ_ERR_SUCCESS.rawValue) else { return nil }
    }
    if let topic = options.stateTopic { unsafe mosquitto_will_set(client, topic, 1, "0", 2, true) }
    setCallbacks()
  }

  deinit {
    forgetConnection()
    // SAFETY: the only destruction of a client that `init` made. What is queued is not sent.
    unsafe mosquitto_destroy(client)
  }

  private func setCallbacks() {
    // SAFETY: as in `init`; each callback gets the user data set there. `message` and `properties`
    // are the library's and valid for the callback, which copies what it keeps.
    if isEncrypted {
      unsafe mosquitto_log_callback_set(client) { _, object, level, text in
        guard level == MOSQ_LOG_ERR, let text = unsafe text else { return }
        unsafe MosquittoSession.from(object)?.noteTLS(String(cString: text))
      }
    }
    unsafe mosquitto_connect_v5_callback_set(client) { _, object, code, flags, _ in
      guard let session = unsafe MosquittoSession.from(object) else { return }
      session.connectAnswer = (code, flags & 1 != 0)
    }
    unsafe mosquitto_disconnect_v5_callback_set(client) { _, object, code, _ in
      unsafe MosquittoSession.from(object)?.disconnectCode = code
    }
    unsafe mosquitto_message_v5_callback_set(client) { _, object, message, properties in
      guard let session = unsafe MosquittoSession.from(object), let message = unsafe message
      else { return }
      unsafe session.enqueue(message.pointee, properties)
    }
    unsafe mosquitto_publish_v5_callback_set(client) { _, object, packetID, code, _ in
      guard let session = unsafe MosquittoSession.from(object) else { return }
      session.unconfirmed.removeValue(forKey: packetID)?.confirmed?(code < 0x80)
    }
    unsafe mosquitto_subscribe_v5_callback_set(client) { _, object, packetID, count, granted, _ in
      guard let session = unsafe MosquittoSession.from(object), count > 0,
        let granted = unsafe granted
      else { return }
      unsafe session.grants.append((packetID, granted[0]))
    }
    unsafe mosquitto_unsubscribe_v5_callback_set(client) { _, object, packetID, _ in
      unsafe MosquittoSession.from(object)?.ended.append(packetID)
    }
  }

  private static func from(_ object: UnsafeMutableRawPointer?) -> MosquittoSession? {
    guard let object = unsafe object else { return nil }
    // SAFETY: the user data is always the live session, see `init`.
    return unsafe Unmanaged<MosquittoSession>.fromOpaque(object).takeUnretainedValue()
  }

  private func enqueue(
    _ message: mosquitto_message, _ properties: OpaquePointer?
  ) {
    guard let topic = unsafe message.topic else { return }
    let byteCount = unsafe Int(message.payloadlen)
    var copy = MQTTMessage(
      topic: unsafe String(cString: topic), payload: [], qos: unsafe message.qos,
      retained: unsafe message.retain,
      packetID: UInt16(truncatingIfNeeded: unsafe message.mid))
    if byteCount > maximumPayloadByteCount {
      copy.isOversized = true
    } else if byteCount > 0, let payload = unsafe message.payload {
      // SAFETY: the library promises `payloadlen` bytes at `payload`; they are copied.
      unsafe copy.payload = Array(UnsafeRawBufferPointer(start: payload, count: byteCount))
    }
    if let properties = unsafe properties { unsafe readProperties(properties, into: &copy) }
    if copy.propertyByteCount > Self.propertyByteLimit { copy.dropContent() }
    received.append(copy)
    receivedByteCount += copy.payload.count + copy.topic.utf8.count + copy.propertyByteCount + 128
  }

  private func readProperties(
    _ properties: OpaquePointer, into message: inout MQTTMessage
  ) {
    var text: UnsafeMutablePointer<CChar>?
    // SAFETY: the library allocates what it hands out here with malloc; it is copied, then freed.
    if unsafe mosquitto_property_read_string(
      properties, Int32(MQTT_PROP_RESPONSE_TOPIC.rawValue), &text, false) != nil,
      let found = unsafe text
    {
      message.responseTopic = unsafe String(cString: found)
      unsafe free(found)
    }
    unsafe text = nil
    if unsafe mosquitto_property_read_string(
      properties, Int32(MQTT_PROP_CONTENT_TYPE.rawValue), &text, false) != nil,
      let found = unsafe text
    {
      message.contentType = unsafe String(cString: found)
      unsafe free(found)
    }
    unsafe readUserProperties(properties, into: &message)
    var data: UnsafeMutableRawPointer?
    var length: UInt16 = 0
    if unsafe mosquitto_property_read_binary(
      properties, Int32(MQTT_PROP_CORRELATION_DATA.rawValue), &data, &length, false) != nil,
      let found = unsafe data
    {
      // SAFETY: as above; `length` bytes lie at `found`.
      message.correlationData = unsafe Array(
        UnsafeRawBufferPointer(start: found, count: Int(length)))
      unsafe free(found)
    }
  }
}

extension MosquittoSession {
  private func readUserProperties(_ properties: OpaquePointer, into message: inout MQTTMessage) {
    let identifier = Int32(MQTT_PROP_USER_PROPERTY.rawValue)
    var place = unsafe Optional(properties)
    var skipsFirst = false
    while true {
      var name: UnsafeMutablePointer<CChar>?
      var value: UnsafeMutablePointer<CChar>?
      // SAFETY: `place` lies in the library's list; it allocates both texts, which are copied, then freed.
      unsafe place = mosquitto_property_read_string_pair(place, identifier, &name, &value, skipsFirst)
      guard unsafe place != nil, let name = unsafe name, let value = unsafe value else { return }
      unsafe message.userProperties.append((String(cString: name), String(cString: value)))
      unsafe free(name)
      unsafe free(value)
      skipsFirst = true
    }
  }
}

// MARK: - What the loop does with it

extension MosquittoSession {
  /// Empties the queue of messages.
  func takeReceived() -> [MQTTMessage] {
    defer {
      received = []
      receivedByteCount = 0
    }
    return received
  }

  func takeGrants() -> [(packetID: Int32, qos: Int32)] {
    defer { grants = [] }
    return grants
  }

  func takeEnded() -> [Int32] {
    defer { ended = [] }
    return ended
  }

  /// Opens the socket and queues CONNECT; blocks for as long as TCP takes.
  func connect(_ options: MQTTOptions, version: MQTTOptions.ProtocolVersion) -> Int32 {
    connectAnswer = nil
    disconnectCode = nil
    forgetConnection()
    tlsLog = []
    // The library sends QoS 1 and 2 again by itself; QoS 0 went with the old connection.
    for (packetID, lost) in unconfirmed where lost.qos == 0 {
      unconfirmed[packetID] = nil
      lost.confirmed?(false)
    }
    var properties: OpaquePointer?
    // SAFETY: the list is ours; the library copies it during the call, then it is freed.
    if version == .v5, options.keepsSession {
      unsafe mosquitto_property_add_int32(
        &properties, Int32(MQTT_PROP_SESSION_EXPIRY_INTERVAL.rawValue), UInt32.max)
    }
    defer { unsafe mosquitto_property_free_all(&properties) }
    let code = unsafe mosquitto_connect_bind_v5(
      client, options.host, options.port, options.keepAliveSeconds, nil, properties)
    if isEncrypted, let found = unsafe mosquitto_ssl_get(client) {
      let connection = OpaquePointer(found)
      // SAFETY: the library's connection, live now; the reference taken here is given back in `forgetConnection`.
      if unsafe SSL_up_ref(connection) == 1 { unsafe self.connection = connection }
    }
    return code
  }

  private func forgetConnection() {
    // SAFETY: gives back the one reference that `connect` took.
    if let connection = unsafe connection { unsafe SSL_free(connection) }
    unsafe connection = nil
  }

  private func noteTLS(_ line: String) {
    if tlsLog.count < Self.tlsLogLimit { tlsLog.append(line) }
  }

  /// Why the encrypted connection failed; nil where TLS has nothing to do with it.
  func tlsReason(_ options: MQTTOptions) -> String? {
    guard let tls = options.tls else { return nil }
    if let problem = tls.problem { return problem }
    var failure = TLSFailure(log: tlsLog)
    if let connection = unsafe connection {
      // SAFETY: a connection that we hold a reference to; the text is static.
      failure.verification = unsafe SSL_get_verify_result(connection)
      if let text = unsafe X509_verify_cert_error_string(failure.verification) {
        failure.verificationText = unsafe String(cString: text)
      }
    }
    return failure.text(tls, host: options.host)
  }

  /// Whether decrypted bytes wait in OpenSSL: of them the socket shows nothing.
  var holdsBytes: Bool {
    guard isEncrypted, let found = unsafe mosquitto_ssl_get(client) else { return false }
    // SAFETY: the library's connection, live until one of its calls ends it.
    return unsafe SSL_pending(OpaquePointer(found)) > 0
  }

  // SAFETY (the calls below): `client` is live until `deinit`.
  var socket: Int32 { unsafe mosquitto_socket(client) }
  var wantsWrite: Bool { unsafe mosquitto_want_write(client) }
  /// Takes what is in the socket, a packet at least when there is one.
  func read() -> Int32 { unsafe mosquitto_loop_read(client, 1) }
  /// Sends what is queued, acknowledgements included.
  func write() -> Int32 { unsafe mosquitto_loop_write(client, 1) }
  /// Keep-alive.
  func housekeeping() -> Int32 { unsafe mosquitto_loop_misc(client) }
  func queueDisconnect() { unsafe mosquitto_disconnect(client) }

  /// Queues a SUBSCRIBE and gives its packet id.
  func subscribe(_ filter: String) -> Int32? {
    var packetID: Int32 = 0
    let code = unsafe mosquitto_subscribe(client, &packetID, filter, 1)
    return code == Int32(MOSQ_ERR_SUCCESS.rawValue) ? packetID : nil
  }

  /// Queues an UNSUBSCRIBE and gives its packet id; nil for what is no filter.
  func unsubscribe(_ filter: String) -> Int32? {
    var packetID: Int32 = 0
    let code = unsafe mosquitto_unsubscribe(client, &packetID, filter)
    return code == Int32(MOSQ_ERR_SUCCESS.rawValue) ? packetID : nil
  }

  /// Queues a publication; `confirmed` is told when the broker has it (QoS ≥ 1) or it is sent.
  /// False when the library refuses it, as for a malformed topic.
  func publish(
    _ publication: MQTTPublication, version: MQTTOptions.ProtocolVersion,
    confirmed: (@Sendable (Bool) -> Void)?
  ) -> Bool {
    let secondsLeft = publication.secondsLeft
    // An interval of 0 would be none.
    guard secondsLeft != 0 else { return false }
    var packetID: Int32 = 0
    var properties: OpaquePointer?
    // SAFETY: payload and properties are copied during the call.
    if version == .v5, let data = publication.correlationData {
      unsafe mosquitto_property_add_binary(
        &properties, Int32(MQTT_PROP_CORRELATION_DATA.rawValue), data,
        UInt16(clamping: data.count))
    }
    if version == .v5, let topic = publication.responseTopic {
      unsafe mosquitto_property_add_string(&properties, Int32(MQTT_PROP_RESPONSE_TOPIC.rawValue), topic)
    }
    if version == .v5, let seconds = secondsLeft {
      unsafe mosquitto_property_add_int32(
        &properties, Int32(MQTT_PROP_MESSAGE_EXPIRY_INTERVAL.rawValue), seconds)
    }
    defer { unsafe mosquitto_property_free_all(&properties) }
    let code = unsafe mosquitto_publish_v5(
      client, &packetID, publication.topic, Int32(clamping: publication.payload.count),
      publication.payload, publication.qos, publication.retain, properties)
    guard code == Int32(MOSQ_ERR_SUCCESS.rawValue) else { return false }
    unconfirmed[packetID] = (publication.qos, confirmed)
    return true
  }

  static func text(_ code: Int32) -> String {
    // SAFETY: a static string.
    guard let text = unsafe mosquitto_strerror(code) else { return "error \(code)" }
    return unsafe String(cString: text)
  }

  static func connectText(_ code: Int32, _ version: MQTTOptions.ProtocolVersion) -> String {
    // SAFETY: both give static strings.
    let text =
      unsafe version == .v5 ? mosquitto_reason_string(code) : mosquitto_connack_string(code)
    guard let text = unsafe text else { return "code \(code)" }
    return unsafe String(cString: text)
  }
}

/// Once a process, before any other call of the library.
private let mosquittoIsInitialised: Void = { _ = mosquitto_lib_init() }()
