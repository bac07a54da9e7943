import Glibc
import TSEngine

/// The command line: `faults [NAME…] [--set small|full|nightly] [--count N] [--seed S [--point P]] [--bug NAME] [--results FILE]`
struct Command {
  static let campaigns: [any Campaign] = [
    CrashPoints(), PowerLoss(), RecoveryKills(), BitFlips(), Damage(), TornTails(), Errors(),
    ReadErrors(), SyncFailures(), Simulation(),
  ]

  private var names: [String] = []
  private var set = "full"
  private var count: Int?
  private var seed: UInt64?
  private var point: Int?
  private var bug: String?
  private var results: String?

  static func run(_ arguments: [String]) -> Int32 {
    switch (arguments.first, arguments.count) {
    case ("write", 3...):
      return RealStore.write(
        arguments[1], count: Int(arguments[2]) ?? 0, waitsForRoom: arguments.last == "--patient")
    case ("read", 2): return RealStore.read(arguments[1])
    case ("--hunt", 2):
      guard let bug = Bug.all.first(where: { $0.name == arguments[1] }) else { return 0 }
      return Planting.hunt(bug)
    default: break
    }
    var command = Command()
    guard command.parse(arguments) else {
      print("usage: faults [CAMPAIGN…] [--set small|full|nightly] [--count N] [--seed S [--point P]] [--bug NAME] [--results FILE]")
      print("campaigns: \((campaigns.map(\.name) + ["planted"]).joined(separator: " "))")
      print("bugs: \(Bug.all.map(\.name).joined(separator: " "))")
      return 2
    }
    return command.run()
  }

  private mutating func parse(_ arguments: [String]) -> Bool {
    var rest = arguments[...]
    while let word = rest.popFirst() {
      if !word.hasPrefix("--") {
        guard word == "planted" || Self.campaigns.contains(where: { $0.name == word }) else { return false }
        names.append(word)
        continue
      }
      guard let value = rest.popFirst() else { return false }
      switch word {
      case "--set": set = value
      case "--count": count = Int(value)
      case "--seed": seed = UInt64(value)
      case "--point": point = Int(value)
      case "--bug": bug = value
      case "--results": results = value
      default: return false
      }
    }
    return ["small", "full", "nightly"].contains(set)
  }

  private func run() -> Int32 {
    if let bug {
      guard let found = Bug.all.first(where: { $0.name == bug }) else { return 2 }
      MixedStores.makeAll()
      found.plant()
    }
    var failed = 0
    for campaign in Self.campaigns where names.isEmpty || names.contains(campaign.name) {
      let seeds = seed.map { $0...$0 } ?? campaign.seeds(set)
      let outcome = campaign.run(target: count ?? target(campaign), seeds: seeds, only: point)
      report(campaign, outcome)
      failed += outcome.failures.count
    }
    if names.contains("planted") || (names.isEmpty && set != "small") { failed += Planting.run(record) }
    return failed == 0 ? 0 : 1
  }

  private func target(_ campaign: any Campaign) -> Int {
    if seed != nil { return .max }
    switch set {
    case "small": return campaign.counts.small
    case "nightly": return campaign.counts.nightly
    default: return campaign.counts.full
    }
  }

  private func report(_ campaign: any Campaign, _ outcome: Outcome) {
    let verdict = outcome.failures.isEmpty ? "PASS" : "FAIL"
    print("\(verdict) \(campaign.criterion) \(campaign.name): \(outcome.count) points, \(outcome.failures.count) failures, \(Int(outcome.seconds.rounded())) s")
    for failure in outcome.failures {
      print("  \(failure.text)")
      print("  again: faults \(campaign.name) --seed \(failure.seed) --point \(failure.point)\(bug.map { " --bug \($0)" } ?? "")")
    }
    record([
      campaign.criterion, campaign.name, campaign.claim, "\(outcome.count)", "\(outcome.failures.count)",
      "\(Int(outcome.seconds.rounded(.up)))",
    ])
    fflush(nil)
  }

  /// Adds a line to the file of results, from which Docs/RELIABILITY.md is generated.
  private func record(_ fields: [String]) {
    guard let results, let file = fopen(results, "a") else { return }
    fputs(fields.joined(separator: "\t") + "\n", file)
    fclose(file)
  }
}
