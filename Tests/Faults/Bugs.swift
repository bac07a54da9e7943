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

  /// The campaigns most likely to see it, which hunt first.
  var hunters: [String] {
    switch self {
    case .lie(let lie):
      switch lie {
      case .logSyncSkipped, .manifestSyncSkipped, .dataSyncSkipped, .journalSyncSkipped,
        .directorySyncSkipped, .renameBeforeSync:
        ["power-loss"]
      case .syncRetried: ["sync-failures", "errors"]
      case .shortWriteHidden: ["errors"]
      case .readErrorAsZeros: ["read-errors"]
      }
    case .planted(let planted):
      switch planted {
      case .ackBeforeSync: ["power-loss", "sync-failures"]
      case .shownBeforeSync, .failStopForgotten: ["sync-failures"]
      case .failedWriteKept: ["errors"]
      case .payloadUnchecked, .headerUnchecked: ["bit-flips"]
      case .damageTruncated, .sectionUnchecked, .damageHealedByDeletion, .lostEventsIgnored, .damagedEventsLeftOut:
        ["damage"]
      case .tornTakenForDamage, .tornTailLeft, .lsnReused: ["torn-tails"]
      case .epochKept, .bulkLSNForgotten, .sealedReplayed, .coverageLost,
        .removedBeforeManifest, .tailNotSettled, .staleCheckpointBelieved, .rollupNotInvalidated,
        .rollupReachForgotten, .droppedTableReturns, .addedColumnsForgotten, .purgeTakesLaterReadings:
        ["crash-points"]
      }
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
  /// Of points: within so many a hunter must see it, and each of the others after the hunters.
  private static let (budget, reserve) = (40_000, 4_000)

  /// One bug in this process. Returns 1 when a campaign caught it.
  static func hunt(_ bug: Bug) -> Int32 {
    // Made before the bug is in.
    MixedStores.makeAll()
    bug.plant()
    let hunters = bug.hunters.compactMap { name in Command.campaigns.first { $0.name == name } }
    let others = Command.campaigns.filter { !bug.hunters.contains($0.name) }
    var before = 0
    for (campaign, target) in hunters.map({ ($0, budget) }) + others.map({ ($0, reserve) }) {
      let outcome = campaign.run(
        target: min(target, campaign.counts.full), seeds: campaign.seeds("full"), failureLimit: 1)
      guard let failure = outcome.failures.first else {
        before += outcome.count
        continue
      }
      print("\(campaign.name)\t\(before + outcome.count)\t\(failure.text.prefix(200))")
      return 1
    }
    return 0
  }

  /// Each bug in a process of its own, which it may bring down. Returns how many were not caught.
  static func run(_ record: ([String]) -> Void) -> Int {
    let started = SystemClock().monotonicNanos()
    var missed: [String] = []
    for bug in Bug.all {
      let (text, status) = runSelf("--hunt \(bug.name)")
      let fields = text.split(separator: "\t").map(String.init)
      if status == 0 {
        missed.append(bug.name)
        print("MISSED \(bug.name): by no campaign")
      } else if fields.count == 3 {
        print("caught \(bug.name): \(fields[0]) after \(fields[1]) points: \(fields[2])")
        record(["bug", bug.name, fields[0], fields[1]])
      } else {
        print("caught \(bug.name): by an assertion of the engine")
        record(["bug", bug.name, "an assertion of the engine", "0"])
      }
      fflush(nil)
    }
    let seconds = Int((Double(SystemClock().monotonicNanos() - started) / 1e9).rounded(.up))
    let verdict = missed.isEmpty ? "PASS" : "FAIL"
    print("\(verdict) R14 planted: \(Bug.all.count - missed.count) of \(Bug.all.count) caught, \(seconds) s")
    for name in missed { record(["bug", name, "none", "0"]) }
    record([
      "R14", "planted",
      "bugs planted on purpose, in the engine and below it: \(Bug.all.count - missed.count) of \(Bug.all.count) caught",
      "\(Bug.all.count)", "\(missed.count)", "\(seconds)",
    ])
    return missed.count
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
