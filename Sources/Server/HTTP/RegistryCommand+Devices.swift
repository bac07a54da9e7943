import Hummingbird
import TSEngine

/// A value of a JSON object, its type kept: `1` is an int, `1.0` a float, `{…}` a text of JSON.
enum JSONScalar: Decodable, Sendable {
  case value(FieldValue)

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if container.decodeNil() {
      self = .value(.null)
    } else if let flag = try? container.decode(Bool.self) {
      self = .value(.bool(flag))
    } else if let number = try? container.decode(Int64.self) {
      self = .value(.int(number))
    } else if let number = try? container.decode(Double.self) {
      self = .value(.float(number))
    } else {
      self = .value(.text(try container.decode(String.self)))
    }
  }

  var field: FieldValue {
    switch self {
    case .value(let value): value
    }
  }
}

extension RegistryCommand {
  /// `{"status":"online"}` is a sign of life, too (D-12).
  func setStatus(of device: String) async throws {
    let word = try field(body.status, "status")
    guard let status = DeviceStatus(rawValue: word) else { throw Refused(.invalidValue) }
    _ = try await decide { registry, context in
      switch status {
      case .online: registry.markOnline(device, context)
      case .offline: registry.markOffline(device, context)
      default: registry.setStatus(device, status, seenAt: nil, context)
      }
    }
  }

  /// `{"fields":{"mode":"manual"}}`: all or none, what people say of sensors among them; null sets back. What a person
  /// has written, `{"spelled":{"mode":"manual"}}`, is of the type that the registry has for it.
  func setFields(of device: String) async throws {
    let (fields, spelled) = (body.fields ?? [:], body.spelled ?? [:])
    guard !fields.isEmpty || !spelled.isEmpty else {
      throw Refused.badRequest(#"The body lacks "fields": {"firmware_version": "2.1.0"}"#)
    }
    var values: [(name: String, value: FieldValue)] = []
    let registry = try door.store.wholeRegistry()
    do throws(FieldProblem) {
      for (name, scalar) in fields.sorted(by: { $0.key < $1.key }) {
        values.append((name, try FieldForm.checked(name, scalar.field, of: device, registry)))
      }
      for (name, text) in spelled.sorted(by: { $0.key < $1.key }) {
        values.append((name, try FieldForm.spelled(text, name, of: device, registry)))
      }
    } catch {
      throw Refused.badRequest(error.sentence)
    }
    _ = try await decide { [values] in $0.setFields(of: device, values, $1) }
  }
}

extension HTTPDoor {
  /// `POST /api/types` with a declaration in YAML or JSON.
  func declareTypes(_ request: Request, _ actor: Actor) async throws -> Response {
    let bytes = try await body(request, limit: TypeDocument.byteLimit)
    let drafts: [TypeDraft]
    do {
      drafts = try TypeDocument.parse(String(buffer: bytes))
    } catch {
      throw Refused.badRequest(error.sentence)
    }
    let store = store
    let taken = try await blocking {
      try store.decide(actor: actor, cause: Cause(message: "http POST /api/types")) { $0.declareTypes(drafts, $1) }
    }
    let names = try taken.result.mapError { Refused($0) }.get()
    registryChanged()
    var json = JSONText()
    json.add("types", raw: RegistryJSON.list(names.map { JSONText.quoted($0) }))
    json.add("lsn", taken.lsn)
    return Reply.json(.created, json.closed)
  }
}
