import HashTreeCollections

package struct User: Sendable, Equatable {
  package let id: UserID
  package var name: String
  package var isAdmin: Bool
  /// An inactive user cannot log in; the parked one never is active (L-03).
  package var isActive: Bool
  package let createdAt: Int64
  /// Deleted users stay, so that history can name an owner of old.
  package var deletedAt: Int64?
  /// In PHC or crypt form with its parameters; nil when there is no password.
  package var passwordHash: String?
  package var fields: [String: FieldValue] = [:]
}

/// The people, and the one who is nobody.
package struct Users: Sendable, Equatable {
  package static let parkedName = "parked_device_user"

  private var byID: TreeDictionary<UserID, User> = [:]
  /// Living users only: a name is free again once its user is deleted.
  private var byName: TreeDictionary<String, UserID> = [:]

  package init() {}

  /// Users not deleted, the parked one included.
  package var count: Int { byName.count }
  /// Also deleted ones.
  package subscript(id: UserID) -> User? { byID[id] }
  package subscript(named name: String) -> User? { byName[name].flatMap { byID[$0] } }
  package var hasParkedUser: Bool { byID[.parked] != nil }
  /// Whether `id` is somebody who can own: there, not deleted, not the parked user.
  package func isPerson(_ id: UserID) -> Bool {
    id != .parked && byID[id].map { $0.deletedAt == nil } ?? false
  }
  /// Ascending by id, deleted ones included. O(n log n).
  package func sorted() -> [User] { byID.values.sorted { $0.id < $1.id } }

  /// One of them, or none.
  func only(_ id: UserID?) -> Users {
    var one = Users()
    guard let id, var user = byID[id], user.deletedAt == nil else { return one }
    user.passwordHash = nil
    one.byID[id] = user
    one.byName[user.name] = id
    return one
  }

  mutating func apply(_ event: Event) {
    switch event.kind {
    case .userCreated(let id, let name, let isAdmin, let isActive):
      guard byID[id] == nil, byName[name] == nil else { return }
      byID[id] = User(
        id: id, name: name, isAdmin: isAdmin, isActive: isActive, createdAt: event.effectiveAt)
      byName[name] = id
    case .userDeleted(let id):
      guard id != .parked else { return }
      update(id) { user in
        user.deletedAt = event.effectiveAt
        user.isActive = false
        user.passwordHash = nil
      }
      if let name = byID[id]?.name, byName[name] == id { byName[name] = nil }
    case .userPasswordSet(let id, let hash):
      update(id) { $0.passwordHash = hash.isEmpty ? nil : hash }
    case .userFieldChanged(let id, let field, let value):
      update(id) { user in
        switch (field, value) {
        case ("is_admin", .bool(let flag)): user.isAdmin = flag
        case ("is_active", .bool(let flag)): user.isActive = flag && id != .parked
        default: user.fields[field] = value == .null ? nil : value
        }
      }
    default: break
    }
  }

  private mutating func update(_ id: UserID, _ change: (inout User) -> Void) {
    guard var user = byID[id], user.deletedAt == nil else { return }
    change(&user)
    byID[id] = user
  }
}

extension Users: Checkpointed {
  func encode(into writer: inout ByteWriter) {
    writer.varint(byID.count)
    for user in sorted() {
      writer.put(user.id.raw)
      writer.string(user.name)
      writer.put(UInt8(user.isAdmin ? 1 : 0) | UInt8(user.isActive ? 2 : 0))
      writer.put(user.createdAt)
      writer.optional(user.deletedAt)
      writer.string(user.passwordHash ?? "")
      writer.fields(user.fields)
    }
  }

  init(from reader: inout ByteReader) throws(StorageError) {
    for _ in 0..<(try reader.count(limit: reader.remaining)) {
      let id = UserID(try reader.next(UInt64.self))
      let name = try reader.string()
      let flags = try reader.next(UInt8.self)
      var user = User(
        id: id, name: name, isAdmin: flags & 1 != 0, isActive: flags & 2 != 0,
        createdAt: try reader.next(Int64.self))
      user.deletedAt = try reader.optional()
      let hash = try reader.string()
      user.passwordHash = hash.isEmpty ? nil : hash
      user.fields = try reader.fields()
      byID[id] = user
      if user.deletedAt == nil { byName[name] = id }
    }
  }
}
