/// What comes of a request: events to record in one batch, and the answer.
///
/// Decisions are pure: the same registry, request, time and random bytes give the same events.
/// The writer takes them one after the other, each on the registry as the one before left it, and
/// appends the events in the same turn; so of two racing commands one wins and the other is told.
package struct Decision<Value: Sendable>: Sendable {
  /// To be recorded, all or nothing, also when refused (a failed claim is a fact too).
  package var events: [Event]
  /// Holds once `events` are durable.
  package var result: Result<Value, Refusal>

  package init(events: [Event], result: Result<Value, Refusal>) {
    self.events = events
    self.result = result
  }

  package static func refused(_ refusal: Refusal) -> Decision { Decision(events: [], result: .failure(refusal)) }
}

/// Why the registry says no. The case name is the code that an API answers with.
package enum Refusal: Error, Equatable, Sendable {
  case invalidDevice
  case unknownDevice
  case unknownUser
  case unknownType
  case unknownToken
  case unknownCredentials
  case unknownCommand
  case unknownBroker
  case unknownSetting
  case unknownRollup
  case invalidName
  case invalidValue
  case notAField
  case wrongType
  case invalidPayload
  case longUsername
  case nameTaken
  case exists
  case emptyCode
  case shortCode
  case invalidCode
  case ambiguousCode
  case expiredCode
  case alreadyAssociated
  case notAssociated
  case notAnnounced
  /// Too many wrong tries; again at `until`, nanoseconds since the Unix epoch.
  case locked(until: Int64)
  case parkedUser
  case future
  case beforeExisting
  case incompatibleType
  case builtIn

  /// The sentence for a person.
  package var sentence: String {
    switch self {
    case .invalidDevice: "A device id is 1 to 128 of A-Z a-z 0-9 . _ - (a LAMPI's: up to 12 hex digits)"
    case .unknownDevice: "There is no such device"
    case .unknownUser: "There is no such user"
    case .unknownType: "There is no such type"
    case .unknownToken: "There is no such token"
    case .unknownCredentials: "The device has no credentials"
    case .unknownSetting: "There is no such setting; try <column>.wire, conflicts, retention or sync_interval"
    case .unknownRollup: "There is no such rollup"
    case .invalidName: "The name is empty or too long"
    case .invalidValue: "The value does not fit"
    case .notAField: "That is no field: a name is given by rename, an owner by associate, the rest by tsq itself"
    case .unknownCommand: "The device's type has no such command, or no such command waits for an answer"
    case .unknownBroker: "There is no broker of this name"
    case .invalidPayload: "The payload has other parameters than the command was declared with"
    case .wrongType: "The value is of another type than was declared"
    case .longUsername: "The device's MQTT name would have over \(Registry.usernameLimit) characters; give it a shorter id"
    case .nameTaken: "The name is taken"
    case .exists: "It exists already"
    case .emptyCode: "Give the association code"
    case .shortCode: "Give at least the first 6 characters of the code"
    case .invalidCode: "Invalid Association Code"
    case .ambiguousCode: "The code is ambiguous, give more characters"
    case .expiredCode: "The code has expired; the device shows a new one when it connects"
    case .alreadyAssociated: "The device is already associated"
    case .notAssociated: "The device is not associated"
    case .notAnnounced: "The device has no message to announce"
    case .locked: "Too many wrong codes; try again later"
    case .parkedUser: "The parked user is nobody and cannot be changed"
    case .future: "The time lies in the future"
    case .beforeExisting: "A later association is recorded already; give a later time"
    case .builtIn: "The table belongs to tsq and cannot be dropped; DELETE FROM it takes its readings"
    case .incompatibleType: "Columns can be added to a type, not changed or taken away"
    }
  }
}

/// Limits that decisions keep (DESIGN, section 10).
package struct RegistryPolicy: Sendable, Equatable {
  package var codeLifetimeNanos: Int64 = 600_000_000_000
  package var wrongTriesBeforeLock: UInt32 = 5
  package var lockNanos: Int64 = 900_000_000_000

  package init() {}
}

/// Who asks, when and why, with the randomness and limits to decide by.
package struct DecisionContext: Sendable {
  package var now: Int64
  package var actor: Actor
  package var cause: Cause
  package var correlation: String
  package var policy: RegistryPolicy
  private let random: any RNG

  package init(
    now: Int64, actor: Actor, cause: Cause = Cause(), correlation: String = "",
    policy: RegistryPolicy = RegistryPolicy(), random: any RNG
  ) {
    self.now = now
    self.actor = actor
    self.cause = cause
    self.correlation = correlation
    self.policy = policy
    self.random = random
  }

  func random64() -> UInt64 {
    var word: [UInt64] = [0]
    var span = word.mutableSpan
    // SAFETY: every bit pattern is a UInt64, and its bytes are initialised.
    var bytes = unsafe span.mutableBytes
    random.fill(&bytes)
    return word[0]
  }

  /// The clock, but never before what the registry has recorded.
  func time(_ registry: Registry) -> Int64 { max(now, registry.lastRecordedAt) }

  func event(_ registry: Registry, _ kind: EventKind, effectiveAt: Int64? = nil) -> Event {
    Event(
      id: EventID(high: random64(), low: random64()), recordedAt: time(registry),
      effectiveAt: effectiveAt, actor: actor, cause: cause, correlation: correlation, kind: kind)
  }
}
