/// Compares the registry checkpoint with the journals that it stands for: an opening takes its word for them and
/// reads them no more.
struct RegistryAudit {
  /// It stands for journals up to here.
  let lsn: LSN
  let byteCount: Int
  private let digest: [UInt8]
  private let connections: Connections
  private let eventCount: Int
  private let clock: CommitClock
  private let chain: [ChainLink]

  /// What the journals say.
  private var found = SealedRegistry()
  private var foundClock = CommitClock()
  private var foundChain: [ChainLink] = []
  /// False once one of them could not be read: nothing can be compared then.
  private(set) var isComparable = true

  /// Nil where no checkpoint is there, or one that is ahead of `manifest`, as beside a writer.
  /// - Throws: what is wrong with the file, or why it is of other journals: an opening leaves it aside; `.io`.
  /// - Complexity: O(bytes of the file), two registries in memory for a moment.
  init?(
    _ disk: any Disk, _ directory: String, _ storeID: StoreID, _ manifest: Manifest
  ) throws(StorageError) {
    try RegistryCheckpoint.check(disk, directory, storeID)
    let (claim, failure) = RegistryCheckpoint.load(disk, directory, storeID, manifest)
    if let failure { throw failure }
    guard claim.sealed.lsn > 0 else { return nil }
    (lsn, byteCount) = (claim.sealed.lsn, claim.byteCount)
    digest = claim.sealed.registry.digest
    connections = claim.sealed.registry.connections
    eventCount = claim.sealed.eventCount
    clock = claim.clock
    chain = claim.chain
  }

  /// The journals of the checkpoint come in order of their LSNs.
  func covers(_ journal: Manifest.JournalSegment) -> Bool {
    journal.content == .registry && journal.newestLSN <= lsn
  }

  mutating func apply(_ event: Event) {
    found.registry.apply(event)
    found.eventCount += 1
  }

  mutating func apply(_ record: OperationalRecord) { found.registry.apply(record) }
  mutating func apply(_ link: ChainLink) { foundChain.append(link) }
  mutating func apply(_ clock: CommitClock) { foundClock.append(clock) }
  mutating func noteDamage() { isComparable = false }

  /// What the checkpoint says otherwise than all journals that it stands for; empty where it is right.
  /// O(n log n) in the registry's entries.
  var differences: [String] {
    var differences: [String] = []
    if found.registry.digest != digest { differences.append("registry") }
    if found.registry.connections != connections { differences.append("connections") }
    if found.eventCount != eventCount { differences.append("event count") }
    if foundClock != clock { differences.append("commit clock") }
    if foundChain != chain { differences.append("chain of roots") }
    return differences
  }
}
