import Query
import TSEngine

/// One loss in words: where, which LSNs, which times.
enum LossText {
  static func sentence(_ loss: Loss) -> String {
    var text = "\(loss.file) at byte \(loss.bytes.lowerBound), \(loss.bytes.count) bytes, "
    if let lsns = loss.lsns {
      text += "lsn \(lsns.lowerBound) to \(lsns.upperBound)"
    } else {
      text += "no lsn lost"
    }
    if let received = loss.received { text += ", received \(span(received))" }
    if let readings = loss.readings {
      text += ", readings of \(loss.device ?? "several devices") \(span(readings))"
    }
    return text
  }

  private static func span(_ times: ClosedRange<Int64>) -> String {
    "\(TimestampText.format(times.lowerBound)) to \(TimestampText.format(times.upperBound))"
  }
}
