/// Operational records to and from the generated protobuf types.

extension OperationalKind {
  var message: PBOperationalRecord.OneOf_Kind {
    switch self {
    case .connectionChanged(let device, let interface, let connected, let source):
      .connectionChanged(
        .with {
          $0.device = device
          $0.interface = interface
          $0.connected = connected
          $0.source = source
        })
    case .messageReceived(let received):
      .messageReceived(received.message)
    case .messageProcessed(let messageLSN, let error):
      .messageProcessed(
        .with {
          $0.messageLsn = messageLSN
          $0.error = error
        })
    case .clockSynced(let device, let offset, let roundTrip):
      .clockSynced(
        .with {
          $0.device = device
          $0.offset = offset
          $0.roundTrip = roundTrip
        })
    case .authenticationFailed(let interface, let credential, let address, let reason):
      .authenticationFailed(
        .with {
          $0.interface = interface
          $0.credential = credential
          $0.address = address
          $0.reason = reason
        })
    case .callRecorded(let call):
      .callRecorded(
        .with {
          $0.device = call.device
          $0.direction = UInt32(call.direction.rawValue)
          $0.id = call.id
          $0.name = call.name
          $0.body = call.body
          $0.sent = call.isSent
        })
    case .stateReported(let device, let client, let fields):
      .stateReported(
        .with {
          $0.device = device
          $0.client = client
          $0.fields = fields.map { field in
            .with {
              $0.name = field.name
              $0.value = field.value.message
            }
          }
        })
    }
  }

  init(_ message: PBOperationalRecord.OneOf_Kind) throws(StorageError) {
    switch message {
    case .connectionChanged(let m):
      try Known.check(m)
      self = .connectionChanged(
        device: try Known.device(m.device), interface: m.interface, connected: m.connected,
        source: m.source)
    case .messageReceived(let m):
      try Known.check(m)
      self = .messageReceived(try ReceivedMessage(m))
    case .messageProcessed(let m):
      try Known.check(m)
      self = .messageProcessed(messageLSN: m.messageLsn, error: m.error)
    case .clockSynced(let m):
      try Known.check(m)
      self = .clockSynced(
        device: try Known.device(m.device), offset: m.offset, roundTrip: m.roundTrip)
    case .authenticationFailed(let m):
      try Known.check(m)
      self = .authenticationFailed(
        interface: m.interface, credential: m.credential, address: m.address, reason: m.reason)
    case .callRecorded(let m):
      try Known.check(m)
      guard let direction = UInt8(exactly: m.direction).flatMap(RecordedCall.Direction.init) else {
        throw StorageError(.corrupt, "a call is 2, a result 3 and an error 4")
      }
      self = .callRecorded(
        RecordedCall(
          device: try Known.device(m.device), direction, id: m.id, name: m.name, body: m.body, isSent: m.sent))
    case .stateReported(let m):
      try Known.check(m)
      var fields: [ReportedField] = []
      for field in m.fields {
        try Known.check(field)
        fields.append(ReportedField(field.name, try FieldValue(field.value)))
      }
      self = .stateReported(device: try Known.device(m.device), client: m.client, fields: fields)
    }
  }
}

extension ReceivedMessage {
  var message: PBMessageReceived {
    .with {
      $0.device = device
      $0.interface = interface
      $0.topic = topic
      $0.payload = .init(payload)
      $0.frameLsn = frameLSN
      $0.extras = extras
      $0.version = version
      $0.deviceTime = deviceTime
      $0.contentType = contentType
      $0.correlation = .init(correlation)
      $0.userProperties = userProperties.map { property in
        .with {
          $0.name = property.name
          $0.value = property.value
        }
      }
      $0.qos = UInt32(qos)
      $0.retained = retained
      $0.duplicate = duplicate
      $0.packetID = UInt32(packetID)
    }
  }

  /// The device of a message may be unknown or malformed: the message is stored all the same (D-20).
  init(_ m: PBMessageReceived) throws(StorageError) {
    guard let qos = UInt8(exactly: m.qos), let packetID = UInt16(exactly: m.packetID) else {
      throw StorageError(.corrupt, "quality of service or packet id out of range")
    }
    self.init(
      device: m.device, interface: m.interface, topic: m.topic, payload: Array(m.payload))
    frameLSN = m.frameLsn
    extras = m.extras
    version = m.version
    deviceTime = m.deviceTime
    contentType = m.contentType
    correlation = Array(m.correlation)
    for property in m.userProperties {
      try Known.check(property)
      userProperties.append(Property(name: property.name, value: property.value))
    }
    self.qos = qos
    retained = m.retained
    duplicate = m.duplicate
    self.packetID = packetID
  }
}
