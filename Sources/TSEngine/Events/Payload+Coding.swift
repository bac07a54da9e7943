internal import SwiftProtobuf

/// Checks that every decoder shares.
enum Known {
  static func check(_ message: some Message) throws(StorageError) {
    guard message.unknownFields.data.isEmpty else { throw newer("a field") }
  }

  static func device(_ id: String) throws(StorageError) -> String {
    guard DeviceID.isValid(id) else { throw StorageError(.corrupt, "malformed device id") }
    return id
  }

  static func newer(_ what: String) -> StorageError {
    StorageError(.unsupportedVersion, "\(what) that this version does not know")
  }
}

extension FieldValue {
  var message: PBFieldValue {
    .with {
      switch self {
      case .null: break
      case .bool(let value): $0.bool = value
      case .int(let value): $0.int = value
      case .float(let value): $0.float = value
      case .text(let value): $0.text = value
      case .json(let value): $0.json = value
      }
    }
  }

  init(_ message: PBFieldValue) throws(StorageError) {
    try Known.check(message)
    switch message.value {
    case nil: self = .null
    case .bool(let value): self = .bool(value)
    case .int(let value): self = .int(value)
    case .float(let value): self = .float(value)
    case .text(let value): self = .text(value)
    case .json(let value): self = .json(value)
    }
  }
}

extension AssociationVia {
  var message: PBAssociationVia {
    switch self {
    case .claim: .claim
    case .admin: .admin
    }
  }

  init(_ message: PBAssociationVia) throws(StorageError) {
    switch message {
    case .claim: self = .claim
    case .admin: self = .admin
    case .unspecified: throw StorageError(.corrupt, "an association without its way")
    case .UNRECOGNIZED: throw Known.newer("a way of association")
    }
  }
}

extension Actor.Kind {
  var message: PBActorKind {
    switch self {
    case .system: .system
    case .user: .user
    case .token: .token
    case .device: .device
    case .operator: .operator
    case .daemon: .daemon
    }
  }

  init(_ message: PBActorKind) throws(StorageError) {
    switch message {
    case .system: self = .system
    case .user: self = .user
    case .token: self = .token
    case .device: self = .device
    case .operator: self = .operator
    case .daemon: self = .daemon
    case .unspecified: throw StorageError(.corrupt, "an event without its actor")
    case .UNRECOGNIZED: throw Known.newer("an actor")
    }
  }
}

extension TokenGrant {
  var message: PBTokenIssued {
    .with {
      $0.publicID = publicID
      $0.hmac = .init(hmac)
      $0.role =
        switch role {
        case .admin: .admin
        case .writer: .writer
        case .reader: .reader
        case .device: .device
        case .user: .user
        }
      $0.expiresAt = expiresAt
      $0.user = user?.raw ?? 0
      $0.device = device ?? ""
      $0.label = label
    }
  }

  init(_ message: PBTokenIssued) throws(StorageError) {
    let role: TokenRole =
      switch message.role {
      case .admin: .admin
      case .writer: .writer
      case .reader: .reader
      case .device: .device
      case .user: .user
      case .unspecified: throw StorageError(.corrupt, "a token without its role")
      case .UNRECOGNIZED: throw Known.newer("a role")
      }
    guard message.hmac.count == 32 else { throw StorageError(.corrupt, "an HMAC has 32 bytes") }
    self.init(
      publicID: message.publicID, hmac: Array(message.hmac), role: role,
      expiresAt: message.expiresAt, user: message.user == 0 ? nil : UserID(message.user),
      device: message.device.isEmpty ? nil : try Known.device(message.device),
      label: message.label)
  }
}

extension TableSchema {
  func message(label: String, _ details: TypeDetails) -> PBTypeDeclared {
    .with {
      $0.table = id
      $0.name = name
      $0.defaultSpan = defaultSpanNanos
      $0.label = label
      $0.columns = columns.map { column in
        .with {
          $0.id = UInt32(column.id)
          $0.name = column.name
          $0.unit = column.unit
          $0.type = column.type.message
          if let minimum = column.minimum { $0.minimum = minimum }
          if let maximum = column.maximum { $0.maximum = maximum }
          $0.required = column.isRequired
          $0.json = column.isJSON
        }
      }
      details.write(to: &$0)
    }
  }

  init(_ message: PBTypeDeclared) throws(StorageError) {
    guard (message.table > 0) != message.abstract, !message.name.isEmpty, message.defaultSpan > 0 else {
      throw StorageError(.corrupt, "a type without its table, name or span")
    }
    var columns: [ColumnSchema] = []
    for column in message.columns {
      try Known.check(column)
      guard let id = ColumnID(exactly: column.id), id > 0, !column.name.isEmpty,
        !columns.contains(where: { $0.id == id || $0.name == column.name })
      else { throw StorageError(.corrupt, "a column without an id and name of its own") }
      columns.append(
        ColumnSchema(
          id: id, name: column.name, type: try ColumnType(column.type), unit: column.unit,
          minimum: column.hasMinimum ? column.minimum : nil,
          maximum: column.hasMaximum ? column.maximum : nil, isRequired: column.required,
          isJSON: column.json))
    }
    self.init(
      id: message.table, name: message.name, columns: columns,
      defaultSpanNanos: message.defaultSpan)
  }
}

extension ColumnType {
  var message: PBColumnType {
    switch self {
    case .int: .int
    case .float: .float
    case .bool: .bool
    case .symbol: .symbol
    case .text: .text
    }
  }

  init(_ message: PBColumnType) throws(StorageError) {
    switch message {
    case .int: self = .int
    case .float: self = .float
    case .bool: self = .bool
    case .symbol: self = .symbol
    case .text: self = .text
    case .unspecified: throw StorageError(.corrupt, "a column without its type")
    case .UNRECOGNIZED: throw Known.newer("a column type")
    }
  }
}
