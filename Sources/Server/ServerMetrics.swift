import Ingest
import Synchronization
import TSEngine

/// What the server counts, since its start.
package final class ServerMetrics: Sendable {
  package enum Counter: Int, CaseIterable, Sendable {
    case httpRequests
    case httpFrames
    case httpRefusals
    case authenticationFailures
    case mqttMessages
    case mqttFrames
    case mqttRefusals
    case mqttRetries
    case rowsNew
    case rowsSame
    case rowsConflict
    case rowsQuarantined
    case devicesDiscovered
    case devicesRefused
    case announcements
    case callFrames
    case callRefusals
    case statesRecorded
    case statesRefused
    case queries
    case slowReaders

    /// As Prometheus has it.
    var name: String {
      switch self {
      case .httpRequests: "tsq_http_requests_total"
      case .httpFrames: "tsq_http_frames_total"
      case .httpRefusals: "tsq_http_refusals_total"
      case .authenticationFailures: "tsq_authentication_failures_total"
      case .mqttMessages: "tsq_mqtt_messages_total"
      case .mqttFrames: "tsq_mqtt_frames_total"
      case .mqttRefusals: "tsq_mqtt_refusals_total"
      case .mqttRetries: "tsq_mqtt_retries_total"
      case .rowsNew: "tsq_rows_new_total"
      case .rowsSame: "tsq_rows_same_total"
      case .rowsConflict: "tsq_rows_conflict_total"
      case .rowsQuarantined: "tsq_rows_quarantined_total"
      case .devicesDiscovered: "tsq_devices_discovered_total"
      case .devicesRefused: "tsq_devices_refused_total"
      case .announcements: "tsq_announcements_confirmed_total"
      case .callFrames: "tsq_websocket_frames_total"
      case .callRefusals: "tsq_websocket_refusals_total"
      case .statesRecorded: "tsq_states_recorded_total"
      case .statesRefused: "tsq_states_refused_total"
      case .queries: "tsq_queries_total"
      case .slowReaders: "tsq_slow_readers_total"
      }
    }

    var help: String {
      switch self {
      case .httpRequests: "HTTP requests answered"
      case .httpFrames: "Frames stored from HTTP"
      case .httpRefusals: "HTTP requests refused by what they hold"
      case .authenticationFailures: "Requests without a valid token"
      case .mqttMessages: "MQTT messages received"
      case .mqttFrames: "Frames stored from MQTT"
      case .mqttRefusals: "MQTT messages refused by what they hold"
      case .mqttRetries: "Rounds of MQTT messages that the store could not take at once"
      case .rowsNew: "Readings that were new"
      case .rowsSame: "Readings sent again with equal values"
      case .rowsConflict: "Readings sent again with other values"
      case .rowsQuarantined: "Readings held back for an absurd time"
      case .devicesDiscovered: "Devices created by discovery"
      case .devicesRefused: "Discoveries refused by the rate limit or the allow rule"
      case .announcements: "Association messages confirmed by every broker"
      case .callFrames: "Frames stored from WebSockets"
      case .callRefusals: "Calls refused by what they hold"
      case .statesRecorded: "States of devices recorded"
      case .statesRefused: "Reports of states refused by what they hold"
      case .queries: "SQL statements run"
      case .slowReaders: "Clients cut because they left an answer unread"
      }
    }
  }

  private let counts = Mutex([Int](repeating: 0, count: Counter.allCases.count))
  private let ignored = Mutex([DiscoveryTopic.Reason: Int]())

  package init() {}

  func add(_ counter: Counter, _ amount: Int = 1) {
    counts.withLock { $0[counter.rawValue] += amount }
  }

  /// Frames that are stored, and what became of their readings.
  func add(_ frames: Int, _ counter: Counter, _ result: AppendResult) {
    counts.withLock { counts in
      counts[counter.rawValue] += frames
      counts[Counter.rowsNew.rawValue] += result.new
      counts[Counter.rowsSame.rawValue] += result.same
      counts[Counter.rowsConflict.rawValue] += result.conflict
      counts[Counter.rowsQuarantined.rawValue] += result.quarantined
    }
  }

  /// L-13: what is not a discovery is counted, by why.
  func add(_ reason: DiscoveryTopic.Reason) { ignored.withLock { $0[reason, default: 0] += 1 } }

  package subscript(counter: Counter) -> Int {
    counts.withLock { $0[counter.rawValue] }
  }

  /// Prometheus text format 0.0.4.
  func text(_ store: Store, runningQueries: Int) -> String {
    var text = ""
    func put(_ name: String, _ kind: String, _ help: String, _ value: some FixedWidthInteger) {
      text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind)\n\(name) \(value)\n"
    }
    for counter in Counter.allCases { put(counter.name, "counter", counter.help, self[counter]) }
    let name = "tsq_discovery_ignored_total"
    text += "# HELP \(name) Messages on connection topics that are no discovery\n# TYPE \(name) counter\n"
    let reasons = ignored.withLock { $0 }
    for reason in DiscoveryTopic.Reason.allCases {
      text += "\(name){reason=\"\(reason.rawValue)\"} \(reasons[reason] ?? 0)\n"
    }
    let snapshot = store.snapshot()
    put("tsq_durable_lsn", "gauge", "The newest durable log position", snapshot.lsn)
    put("tsq_devices", "gauge", "Devices in the registry", snapshot.registry.devices.count)
    put("tsq_data_segments", "gauge", "Live data segments", snapshot.segments.count)
    put("tsq_head_rows", "gauge", "Readings in memory, not sealed yet", snapshot.headRowCount)
    put("tsq_queries_running", "gauge", "SQL statements running, their answers included", runningQueries)
    put("tsq_damages", "gauge", "Places of the store that failed their check", store.damages.count)
    put("tsq_writable", "gauge", "1 while the store takes writes", store.failure == nil ? 1 : 0)
    return text
  }
}
