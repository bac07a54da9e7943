import Glibc
import TSEngine

/// R14: a bug planted on purpose, below the engine or in it.
enum Bug: Sendable {
  case lie(Lie)
  case planted(Planted)

  static var all: [Bug] {
    #if TSQ_PLANTED
      Lie.allCases.map { .lie($0) } + Planted.allCases.map { .planted($0) }
    #else
      Lie.allCases.map { .lie($0) }
    #endif
  }

  var name: String {
    switch self {
    case .lie(let lie): "\(lie)"
    case .planted(let planted): "\(planted)"
    }
  }

  func plant() {
    switch self {
    case .lie(let lie): Lie.choose(lie)
    case .planted(let planted):
      #if TSQ_PLANTED
        Planted.choose(planted)
      #else
        preconditionFailure("\(planted) is not in this build")
      #endif
    }
  }
}

/// Plants each bug in turn and lets the campaigns find it.
enum Planting {
  private static let countPerCampaign = 6_000

  /// One bug in this process. Returns 1 when a campaign caught it.
  static func hunt(_ bug: Bug) -> Int32 {
    // Made before the bug is in.
    MixedStores.makeAll()
    bug.plant()
    for campaign in Command.campaigns {
      let target = min(countPerCampaign, campaign.counts.full)
      let outcome = campaign.run(target: target, seeds: campaign.seeds("full"), failureLimit: 1)
      guard let failure = outcome.failures.first else { continue }
      print("\(campaign.name) after \(outcome.count) points: \(failure.text.prefix(150))")
      return 1
    }
    return 0
  }

  /// Each bug in a process of its own, which it may bring down. Returns how many were not caught.
  static func run(_ record: ([String]) -> Void) -> Int {
    let started = SystemClock().monotonicNanos()
    var missed = 0
    for bug in Bug.all {
      let (text, status) = runSelf("--hunt \(bug.name)")
      let isCaught = status != 0
      if !isCaught { missed += 1 }
      let by = text.isEmpty ? (isCaught ? "the engine's own assertions" : "by no campaign") : text
      print("\(isCaught ? "caught" : "MISSED") \(bug.name): \(by)")
      fflush(nil)
    }
    let seconds = (SystemClock().monotonicNanos() - started) / 1_000_000_000
    print("\(missed == 0 ? "PASS" : "FAIL") R14 planted: \(Bug.all.count) bugs, \(missed) missed, \(seconds) s")
    record([
      "R14", "planted", "bugs planted on purpose are all caught", "\(Bug.all.count)", "\(missed)", "\(seconds)",
    ])
    return missed
  }

  /// What this executable says and ends with, called with `arguments`.
  private static func runSelf(_ arguments: String) -> (text: String, status: Int32) {
    var path = [UInt8](repeating: 0, count: 4096)
    let length = path.withUnsafeMutableBytes { readlink("/proc/self/exe", $0.baseAddress!, $0.count) }
    let executable = String(decoding: path.prefix(max(0, length)), as: UTF8.self)
    guard let pipe = popen("SWIFT_BACKTRACE=enable=no '\(executable)' \(arguments) 2>/dev/null", "r") else { return ("", 0) }
    var text = [UInt8]()
    while case let byte = fgetc(pipe), byte >= 0 { text.append(UInt8(truncatingIfNeeded: byte)) }
    let status = pclose(pipe)
    return (String(decoding: text, as: UTF8.self).split(separator: "\n").joined(separator: " "), status)
  }
}
