/// How often devices of a type compare their clocks with ours, the type's setting `sync_interval`: once a day
/// (`1d`, the default) or once a week (`1w`) (P-07).
package enum ClockSync {
  package static let settingKey = "sync_interval"
  private static let dayNanos: Int64 = 86_400_000_000_000

  /// Nil for another length.
  static func nanos(_ text: String) -> Int64? {
    guard let nanos = RetentionAge(text)?.nanos, nanos == dayNanos || nanos == 7 * dayNanos else { return nil }
    return nanos
  }

  /// Of a type's settings.
  package static func intervalNanos(_ settings: [String: String]) -> Int64 {
    settings[settingKey].flatMap(nanos) ?? dayNanos
  }
}

extension Registry {
  /// How often `device` is to compare its clock.
  package func syncIntervalNanos(of device: String) -> Int64 {
    ClockSync.intervalNanos(types[devices[device]?.type ?? DeviceType.power]?.settings ?? [:])
  }
}
