import Synchronization
import TSEngine

/// R4, file by file: every bit of every file of a mixed store is flipped and the file's own reader
/// must say so.
struct BitFlips: Campaign {
  let name = "bit-flips"
  let criterion = "R4"
  let claim = "every single flipped bit of a mixed store is detected by its file's reader"
  let counts = (small: 6_000, full: Int.max, nightly: Int.max)
  static let parts: UInt64 = 64

  func seeds(_ set: String) -> ClosedRange<UInt64> {
    switch set {
    case "nightly": 0...(Self.parts * 8 - 1)
    default: 0...(Self.parts - 1)
    }
  }

  func run(seed: UInt64, _ tally: Tally, only: Int?) {
    let mixed = MixedStores.store(seed / Self.parts)
    let part = Int(seed % Self.parts)
    var point = 0
    for file in mixed.files {
      guard let check = FileCheck(mixed, file.path) else { continue }
      for bit in stride(from: part, to: file.byteCount * 8, by: Int(Self.parts)) {
        guard tally.isOpen else { return }
        visit(&point, seed, tally, only: only, "\(file.path) bit \(bit)") { (_) throws(Judge.Wrong) in
          check.disk.flipBit(file.path, bit)
          defer { check.disk.flipBit(file.path, bit) }
          // What witnesses others has no witness itself.
          let isLastSeal = mixed.isLastSeal(file.path, byte: bit / 8)
          guard check.isDamaged(isLastSeal: isLastSeal) else { throw Judge.Wrong(text: "not detected") }
        }
      }
    }
  }
}

/// R4, the whole store: bits flipped, bursts, sectors zeroed, stale, swapped and misdirected. What is
/// read is right; what is lost is named by its LSNs; verify sees it.
struct Damage: Campaign {
  let name = "damage"
  let criterion = "R4"
  let claim = "flips, bursts, zeroed, stale, swapped and misdirected sectors: never a wrong value, never a loss unnamed, all else readable"
  let counts = (small: 400, full: 30_000, nightly: 500_000)

  func run(seed: UInt64, _ tally: Tally, only: Int?) {
    let mixed = MixedStores.store(seed % 8)
    var random = SimRandom(seed: seed)
    var point = 0
    for _ in 0..<8 {
      let noise = random.next()
      visit(&point, seed, tally, only: only, "amid a seal") { (_) throws(Judge.Wrong) in
        var dice = SimRandom(seed: noise)
        try mixed.openInterrupted(&dice)
      }
    }
    for _ in 0..<64 {
      let file = mixed.files[random.below(mixed.files.count)]
      let (kind, noise) = (random.below(6), random.next())
      visit(&point, seed, tally, only: only, "\(file.path) damaged, kind \(kind)") { (_) throws(Judge.Wrong) in
        var dice = SimRandom(seed: noise)
        let disk = SimDisk(copyOf: mixed.disk, seed: seed)
        let original = mixed.disk.contents(file.path) ?? []
        Self.damage(disk, file.path, kind, &dice, mixed)
        let damaged = disk.contents(file.path) ?? []
        guard damaged != original else { return }
        let differing = damaged.indices.filter { damaged[$0] != original[$0] }
        let (first, last) = (differing.first ?? 0, differing.last ?? 0)
        // With the last seal goes the witness of the padding right before it, too.
        let isTail = mixed.isLastSeal(file.path, byte: first) || mixed.isLastSeal(file.path, byte: last)
        // Derived: whatever is wrong with it, it is no damage of the store.
        let isDerived = file.path == "s/SERIES" || file.path == "s/REGISTRY"
        if noise % 2 == 0, !isTail, !isDerived {
          var options = Bench.options(SimDisk(copyOf: disk), SimClock(nanos: mixed.nanos), seed: seed)
          options.isReadOnly = true
          let report = try? Verify.run(options, Bench.path)
          guard report?.isWhole != true else { throw Judge.Wrong(text: "verify sees nothing at byte \(first)") }
        }
        try mixed.read(disk, damaged: file.path, isLastSeal: isTail, readOnly: noise % 3 == 0)
      }
    }
  }

  private static func damage(
    _ disk: SimDisk, _ path: String, _ kind: Int, _ dice: inout SimRandom, _ mixed: MixedStore
  ) {
    var random = dice
    let other = mixed.files[random.below(mixed.files.count)]
    let foreign = mixed.disk.contents(other.path) ?? []
    disk.damage(path) { bytes in
      guard !bytes.isEmpty else { return }
      let at = random.below(bytes.count)
      let sector = at / 512 * 512
      let end = min(bytes.count, sector + 512)
      switch kind {
      case 0: bytes[at] ^= 1 << UInt8(random.below(8))
      case 1:
        for index in at..<min(bytes.count, at + 1 + random.below(600)) {
          bytes[index] = UInt8(truncatingIfNeeded: random.next())
        }
      case 2: for index in sector..<end { bytes[index] = 0 }
      case 3:
        // Swapped with another sector of the file.
        let from = random.below(max(1, bytes.count / 512)) * 512
        for index in 0..<min(512, bytes.count - sector, bytes.count - from) {
          bytes.swapAt(sector + index, from + index)
        }
      case 4:
        // Written by mistake from another file, or from elsewhere in this one.
        let from = random.below(max(1, foreign.count / 512)) * 512
        for index in 0..<min(512, bytes.count - sector, foreign.count - from) {
          bytes[sector + index] = foreign[from + index]
        }
      default:
        // Stale: what the place held when the sector before was written.
        guard sector >= 4096 else { return bytes[at] ^= 0x80 }
        for index in sector..<end { bytes[index] = bytes[index - 4096] }
      }
    }
    dice = random
  }
}

/// The stores of the damage campaigns, each made once.
enum MixedStores {
  private static let made = Mutex<[UInt64: MixedStore]>([:])
  private static let count: UInt64 = 8

  static func store(_ index: UInt64) -> MixedStore {
    made.withLock { made in
      let seed = index % count + 4
      if let store = made[seed] { return store }
      let store = MixedStore(seed: seed)
      made[seed] = store
      return store
    }
  }

  static func makeAll() { for index in 0..<count { _ = store(index) } }
}

/// One file of a store with what its reader needs around it.
struct FileCheck {
  private enum Kind { case store, series, registry, log(folder: String), journal(UInt64), data(UInt64) }
  let disk = SimDisk()
  private let kind: Kind
  private let path: String
  private let id: StoreID

  init?(_ mixed: MixedStore, _ path: String) {
    let name = String(path.split(separator: "/").last ?? "")
    guard let bytes = mixed.disk.contents(path), let store = mixed.disk.contents("s/STORE"),
      let file = try? StoreFile(decoding: store)
    else { return nil }
    self.path = path
    id = file.id
    if path == "s/STORE" {
      kind = .store
    } else if path == "s/SERIES" {
      kind = .series
    } else if path == "s/REGISTRY" {
      kind = .registry
    } else if let segment = FileNames.logSegmentID(name) {
      let folder = String(path.dropLast(name.count + 5))
      kind = .log(folder: folder)
      // The header of the next segment says that this one was whole.
      let next = "\(folder)/log/\(FileNames.logSegment(segment + 1))"
      if let after = mixed.disk.contents(next) { Self.put(Array(after.prefix(4096)), at: next, disk) }
    } else if let journal = FileNames.journalSegmentID(name) {
      kind = .journal(journal)
    } else if let data = FileNames.dataSegmentID(name) {
      kind = .data(data)
    } else {
      return nil
    }
    Self.put(bytes, at: path, disk)
  }

  private static func put(_ bytes: [UInt8], at path: String, _ disk: SimDisk) {
    try? disk.createDirectory(FileNames.parent(path) ?? "")
    guard let file = try? disk.open(path, .create) else { return }
    try? file.write(bytes.rawSpan, at: 0)
  }

  func isDamaged(isLastSeal: Bool) -> Bool {
    do {
      switch kind {
      case .store: _ = try StoreFile(decoding: disk.contents(path) ?? [])
      case .series: return SeriesCheckpoint.load(disk, "s", id, into: SeriesCatalog()).byteCount == 0
      case .registry: try RegistryCheckpoint.check(disk, "s", id)
      case .log(let folder):
        let scan = try LogReader(disk, store: folder, storeID: id).scan { _, _ in }
        return !scan.damaged.isEmpty || (isLastSeal && scan.tail != .clean)
      case .journal(let journal):
        return !(try JournalSegment.read(disk, directory: "s", store: id, id: journal).damaged.isEmpty)
      case .data(let data):
        let file = try disk.open(path, .read)
        try DataSegmentReader.verify(file, store: id, id: data, byteCount: try file.byteCount())
      }
      return false
    } catch { return true }
  }
}
