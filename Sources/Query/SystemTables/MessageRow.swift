import TSEngine

/// What a message said and what became of it (D-20), as columns of the table `messages`.
enum MessageRow {
  /// - Parameter processed: nil where nothing tells of it. A frame was stored with its message: it is completed.
  static func rest(_ message: ReceivedMessage, _ receivedAt: Int64, _ processed: (error: String, at: Int64)?) -> [SQLValue] {
    let isJSON = !message.payload.isEmpty && JSONCheck.isJSON(message.payload)
    let isFrame = message.payload.isEmpty && processed == nil
    let status = processed.map { $0.error.isEmpty ? "completed" : "failed" } ?? (isFrame ? "completed" : "pending")
    let properties = message.userProperties.map { ($0.name, FieldValue.text($0.value)) }
    return [
      isJSON ? .text(String(decoding: message.payload, as: UTF8.self)) : .null,
      isJSON || message.payload.isEmpty ? .null : .text(Hex.text(message.payload)),
      .optional(message.contentType.isEmpty ? nil : message.contentType),
      .optional(message.correlation.isEmpty ? nil : correlation(message.correlation)),
      .text(RowJSON.object(properties)), .text(status), .optional(processed.flatMap { $0.error.isEmpty ? nil : $0.error }),
      .timestamp(receivedAt), .optional(processed?.at ?? (isFrame ? receivedAt : nil)),
      .text(TextForm.message(topic: message.topic, status: status)),
    ]
  }

  /// A text as it is, else base64.
  static func correlation(_ bytes: [UInt8]) -> String {
    if let text = String(validating: bytes, as: UTF8.self), !text.unicodeScalars.contains(where: { $0.value < 0x20 }) {
      return text
    }
    return base64(bytes)
  }

  /// RFC 4648, section 4.
  private static func base64(_ bytes: [UInt8]) -> String {
    let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    var out: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let group = bytes[start..<min(start + 3, bytes.count)]
      var word: UInt32 = 0
      for (index, byte) in group.enumerated() { word |= UInt32(byte) << UInt32(16 - 8 * index) }
      for index in 0..<4 {
        let digit = digits[Int(word >> UInt32(18 - 6 * index) & 63)]
        out.append(index <= group.count ? digit : UInt8(ascii: "="))
      }
    }
    return String(decoding: out, as: UTF8.self)
  }
}
