import HashTreeCollections

/// What each device proves itself with: one MQTT name, one password and one API key, beside which those
/// that were replaced may be valid a while longer. Times are compared by whoever asks: there is no clock here.
package struct Credentials: Sendable, Equatable {
  /// Secrets that were replaced, valid before `until`.
  package struct Former: Sendable, Equatable {
    package let secrets: DeviceSecrets
    package var until: Int64
  }

  package struct Entry: Sendable, Equatable {
    package let device: String
    package let username: String
    package let secrets: DeviceSecrets
    package let issuedAt: Int64
    /// Newest first, at most `formerLimit`.
    package var former: [Former] = []

    /// What is good at `now`, the newest first.
    package func valid(at now: Int64) -> [DeviceSecrets] {
      [secrets] + former.filter { now < $0.until }.map(\.secrets)
    }
  }

  /// Replacements that overlap; the oldest goes for the next.
  static let formerLimit = 4

  private var byDevice = LayeredMap<Entry>()
  /// Devices by the HMAC of each API key that may be valid.
  private var byAPIKey: TreeDictionary<[UInt8], String> = [:]

  package init() {}

  package var count: Int { byDevice.count }
  package var isEmpty: Bool { count == 0 }
  package subscript(device: String) -> Entry? { byDevice[device] }

  /// The entry with this MQTT name.
  package subscript(username name: String) -> Entry? {
    // `tsq-<type>device-<device>`: a type has no dash in its name.
    let parts = name.split(separator: "-", maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count == 3, let entry = byDevice[String(parts[2])], entry.username == name else { return nil }
    return entry
  }

  /// Whose the API key with this HMAC is, if it is valid at `now`.
  package func device(apiKeyHMAC code: [UInt8], at now: Int64) -> String? {
    guard let device = byAPIKey[code], let entry = byDevice[device],
      entry.valid(at: now).contains(where: { $0.apiKeyHMAC == code })
    else { return nil }
    return device
  }

  /// Ascending by device. O(n).
  package func sorted() -> [Entry] {
    var all: [Entry] = []
    all.reserveCapacity(count)
    byDevice.forEach { all.append($1) }
    return all
  }

  /// Those of `devices` alone.
  func only(_ devices: [String]) -> Credentials {
    var some = Credentials()
    for device in devices { if let entry = byDevice[device] { some.put(entry, of: device) } }
    return some
  }

  mutating func apply(_ event: Event) {
    switch event.kind {
    case .credentialsIssued(let grant): issue(grant, at: event.recordedAt)
    case .credentialsRevoked(let device), .deviceDeleted(let device): put(nil, of: device)
    default: break
    }
  }

  private mutating func issue(_ grant: CredentialGrant, at now: Int64) {
    var entry = Entry(
      device: grant.device, username: grant.username, secrets: grant.secrets, issuedAt: now)
    let end = now.addingReportingOverflow(grant.overlapNanos)
    if grant.overlapNanos > 0, !end.overflow, let old = byDevice[grant.device] {
      let kept = [Former(secrets: old.secrets, until: end.partialValue)] + old.former
      entry.former = kept.prefix(Self.formerLimit).filter { now < $0.until }
        .map { Former(secrets: $0.secrets, until: min($0.until, end.partialValue)) }
    }
    put(entry, of: grant.device)
  }

  private mutating func put(_ entry: Entry?, of device: String) {
    if let old = byDevice[device] {
      for code in Self.codes(old) where byAPIKey[code] == device { byAPIKey[code] = nil }
    }
    byDevice[device] = entry
    if let entry { for code in Self.codes(entry) { byAPIKey[code] = device } }
  }

  private static func codes(_ entry: Entry) -> [[UInt8]] {
    [entry.secrets.apiKeyHMAC] + entry.former.map(\.secrets.apiKeyHMAC)
  }
}

extension Credentials: Checkpointed {
  func encode(into writer: inout ByteWriter) {
    writer.varint(count)
    byDevice.forEach { _, entry in
      writer.string(entry.device)
      writer.string(entry.username)
      writer.put(entry.issuedAt)
      Self.encode(entry.secrets, into: &writer)
      writer.varint(entry.former.count)
      for former in entry.former {
        writer.put(former.until)
        Self.encode(former.secrets, into: &writer)
      }
    }
  }

  init(from reader: inout ByteReader) throws(StorageError) {
    var base = LayeredMap<Entry>.Base(count: try reader.count(limit: reader.remaining))
    while !base.isFull {
      let (device, username) = (try reader.string(), try reader.string())
      let issuedAt = try reader.next(Int64.self)
      var entry = Entry(
        device: device, username: username, secrets: try Self.secrets(from: &reader), issuedAt: issuedAt)
      for _ in 0..<(try reader.count(limit: Self.formerLimit)) {
        let until = try reader.next(Int64.self)
        entry.former.append(Former(secrets: try Self.secrets(from: &reader), until: until))
      }
      try base.append(device, entry)
      for code in Self.codes(entry) { byAPIKey[code] = device }
    }
    byDevice = LayeredMap(base)
  }

  private static func encode(_ secrets: DeviceSecrets, into writer: inout ByteWriter) {
    writer.string(secrets.passwordHash)
    writer.append(secrets.apiKeyHMAC)
  }

  private static func secrets(from reader: inout ByteReader) throws(StorageError) -> DeviceSecrets {
    var secrets = DeviceSecrets(passwordHash: try reader.string(), apiKeyHMAC: [])
    for _ in 0..<32 { secrets.apiKeyHMAC.append(try reader.next(UInt8.self)) }
    return secrets
  }
}
