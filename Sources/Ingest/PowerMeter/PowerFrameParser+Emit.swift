import TSEngine

/// From a frame that was read as a whole to rows of the table `power`.
extension PowerFrameParser {
  mutating func finish(
    _ draft: FrameDraft, _ cursor: borrowing JSONCursor, _ batch: inout FrameBatch,
    _ infos: inout [FrameInfo]
  ) throws(Fault) {
    guard let sensorID = draft.sensorID else { throw missing("sensor_id") }
    guard draft.hasTimestamp, let timestampText = lastTimestamp else { throw missing("timestamp") }
    guard let probeCount = draft.probeCount else { throw missing("data") }

    let device = cursor.text(of: sensorID)
    let version = draft.version.map { cursor.text(of: $0) }
    let versionCode = version.map { knownCode(ofVersion: $0) ?? FrameInfo.placeholder(infos.count) }
    batch.beginFrame(device: device)
    var rowCount = 0
    for index in 0..<probeCount {
      rowCount += try emit(index, start: draft.startNanos, versionCode, &batch)
    }
    infos.append(
      FrameInfo(
        sensorID: device, version: version, token: draft.token.map { cursor.text(of: $0) },
        timestampText: timestampText,
        startNanos: draft.startNanos, rowCount: rowCount, hasNewVersion: versionCode ?? 0 < 0,
        extras: draft.unknown.isEmpty ? nil : Self.extras(draft.unknown, cursor)))
  }

  /// Nil for a text that the store has never seen. Whoever sent it may be a stranger, and texts are
  /// kept for the life of the process: it gets its code once the frame is admitted.
  private mutating func knownCode(ofVersion text: String) -> Int64? {
    if let lastVersion, lastVersion.text == text { return lastVersion.code }
    guard let code = symbols.existingCode(of: text) else { return nil }
    lastVersion = (text, code)
    return code
  }

  /// Adds the run of one probe and gives its rows.
  private mutating func emit(
    _ index: Int, start: Int64, _ versionCode: Int64?, _ batch: inout FrameBatch
  ) throws(Fault) -> Int {
    let probe = probes[index]
    guard let id = probe.id, let count = probe.powerCount,
      let times = RegularTimes(start: start, span: Self.spanNanos, count: count)
    else {
      place.enter("timestamp")
      throw Fault(.range, "an instant outside 1677-2262")
    }
    batch.beginRun(probe: id, times: .regular(times))
    let base = index * 3 * Self.maximumSamples
    batch.add(power.id, scratch[base..<(base + count)])
    batch.add(pf.id, scratch[(base + Self.maximumSamples)..<(base + Self.maximumSamples + count)])
    addSpan(span, times, &batch)
    let voltages = base + 2 * Self.maximumSamples
    if probe.voltageCount == ProbeDraft.scalar {
      addScalar(scratch[voltages], rows: count, &batch)
    } else {
      batch.add(voltage.id, scratch[voltages..<(voltages + count)])
      addSpan(voltageSpan, times, &batch)
    }
    if let type = probe.type { batch.add(probeType, constant: type) }
    if let versionCode { batch.add(versionColumn, constant: versionCode) }
    return count
  }

  /// What each sample covers, to the next one.
  private mutating func addSpan(
    _ column: ColumnID, _ times: RegularTimes, _ batch: inout FrameBatch
  ) {
    if times.stepDenominator == 1 {
      batch.add(column, constant: times.stepNumerator)
      return
    }
    for row in 0..<times.count { spans[row] = times.tick(row + 1) &- times.tick(row) }
    batch.add(column, spans[0..<times.count])
  }

  /// One RMS over the whole second is one reading, in the first row; the others have none (P-03).
  private func addScalar(_ value: Int64, rows: Int, _ batch: inout FrameBatch) {
    guard rows > 1 else {
      batch.add(voltage.id, constant: value)
      batch.add(voltageSpan, constant: Self.spanNanos)
      return
    }
    let valid = Self.firstOnly[0..<rows]
    var slots = [Int64](repeating: 0, count: rows)
    slots[0] = value
    batch.add(voltage.id, slots, valid: valid)
    slots[0] = Self.spanNanos
    batch.add(voltageSpan, slots, valid: valid)
  }

  private static let firstOnly = [true] + [Bool](repeating: false, count: maximumSamples - 1)

  /// Unknown members as one JSON object, values as they were written; those named like a secret
  /// are masked.
  private static func extras(_ members: [UnknownMember], _ cursor: borrowing JSONCursor) -> String {
    func object(_ probe: Int) -> [String] {
      members.filter { $0.probe == probe }.map { member in
        let secret = secretNames.contains(cursor.text(of: member.key).lowercased())
        let key = cursor.text(in: member.key.range)
        let value = cursor.text(in: member.value)
        return "\"\(key)\":\(secret ? "\"***\"" : value)"
      }
    }
    var parts = object(-1)
    if let last = members.map(\.probe).max(), last >= 0 {
      let probes = (0...last).map { "{" + object($0).joined(separator: ",") + "}" }
      parts.append("\"data\":[" + probes.joined(separator: ",") + "]")
    }
    return "{" + parts.joined(separator: ",") + "}"
  }

  private static let secretNames: Set<String> = ["token", "secret", "password", "api_key"]
}
