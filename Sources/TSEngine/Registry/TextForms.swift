/// How things are called where people read of them: the text forms and display names of the systems whose place this
/// one takes.
package enum TextForm {
  /// `Reading at 2026-01-01T00:00:00Z` (D-02); as SQL makes it of a column of instants.
  package static func reading(sql column: String) -> String { "'Reading at ' || CAST(\(column) AS text)" }

  /// `Message on things/weather_station/ws-001/data (completed)` (D-20)
  package static func message(topic: String, status: String) -> String { "Message on \(topic) (\(status))" }
}

extension Device {
  /// `b827eb08451e: My LAMPI` (L-05).
  package var text: String { "\(id): \(name)" }

  /// `ws-001 (online)` (D-11)
  package var statusText: String { "\(name.isEmpty ? id : name) (\(status.rawValue))" }

  /// The one or the other, as the device's type has it.
  package var shownText: String { type == DeviceType.lampi ? text : statusText }
}

/// The three tables of a type (D-02).
package enum TypePart: String, Sendable, CaseIterable { case device, reading, message }

extension Types.Declared {
  /// `Weather Station`: its label, else its name in words.
  package var displayName: String {
    if !label.isEmpty, label != schema.name { return label }
    return schema.name.split(separator: "_").map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined(separator: " ")
  }

  /// `Weather Station Reading`
  package func displayName(of part: TypePart) -> String {
    "\(displayName) \(part.rawValue.prefix(1).uppercased())\(part.rawValue.dropFirst())"
  }

  /// The name that a Django project generates: `tsq_weatherstationreading`.
  package func tableName(of part: TypePart) -> String {
    "tsq_\(schema.name.split(separator: "_").joined())\(part.rawValue)"
  }
}
