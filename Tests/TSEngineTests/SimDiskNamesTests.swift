import Testing

@testable import TSEngine

@Suite struct SimDiskNamesTests {
  /// When a removal, a creation under the same name and a rename of that are pending and power is
  /// lost, the rename never puts the removed file in its place: the harness would accuse a store of
  /// damage that no disk makes (`faults recovery-kills --seed 47 --point 139`).
  @Test func aRenameThatSurvivesAPowerLossMovesItsOwnFile() throws {
    var survived = 0
    for seed in 0..<200 as Range<UInt64> {
      let disk = SimDisk(seed: seed)
      try disk.createDirectory("s")
      try disk.syncDirectory("")
      try Self.write([1], to: "s/a.tmp", disk)
      try disk.syncDirectory("s")
      try disk.remove("s/a.tmp")
      try Self.write([2], to: "s/a.tmp", disk)
      try disk.rename("s/a.tmp", to: "s/a")
      disk.crash(seed: seed)
      guard let bytes = disk.contents("s/a") else { continue }
      survived += 1
      #expect(bytes == [2], "seed \(seed)")
    }
    #expect(survived > 0)
  }

  private static func write(_ bytes: [UInt8], to path: String, _ disk: SimDisk) throws {
    let file = try disk.open(path, .create)
    try file.write(bytes.rawSpan, at: 0)
    try file.sync()
    file.close()
  }
}
