import ArgumentParser
import TSEngine

struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Read every byte of a store and check it.",
    discussion: """
      Checks framing and checksums of all files, decodes every block and compares it with its
      statistics, and the chain of Merkle roots. Changes nothing; also beside a server. Ends with 3
      when there is damage. A backup is checked against its list, those it builds on included.

      EXAMPLE: tsq verify --store demo
      """)
  @OptionGroup var location: StoreLocation

  func run() throws {
    let directory = try location.directory("verify")
    var options = StoreOptions()
    options.isReadOnly = true
    options.createIfMissing = false
    let report: Verify.Report
    do {
      if try Self.checkBackup(options, System.resolved(directory)) { return }
      report = try Verify.run(options, System.resolved(directory))
    } catch let error as StorageError {
      throw CommandError(error, store: directory)
    }
    print(
      "\(report.fileCount) files, \(Figures.bytes(report.byteCount)), \(report.rowCount) sealed rows, "
        + "\(report.batchCount) batches of the log, \(report.eventCount) sealed events, "
        + "\(report.linkCount) roots, up to lsn \(report.newestLSN)")
    for name in report.setAside { print("set aside: \(name)") }
    for name in report.derived {
      print("derived: \(name) fails its check; it is left aside and made anew, nothing is lost")
    }
    for tail in report.tornTails {
      print("torn tail: \(tail.file) from byte \(tail.offset): a write that was not finished; nothing acknowledged")
    }
    if !report.registryDifferences.isEmpty {
      print(
        "REGISTRY says another \(report.registryDifferences.joined(separator: ", ")) than its journals, which are "
          + "whole: with the file moved aside (keep it) the next opening reads them")
    }
    for loss in report.losses { print("damaged: \(LossText.sentence(loss))") }
    guard report.isWhole else {
      throw CommandError(
        .damaged,
        "\(report.damages.count) places of the store at \(directory) are damaged; the rest is served, "
          + "nothing was changed: keep a copy of the folder before anything else")
    }
    print("whole")
  }

  /// False when the folder is no backup.
  private static func checkBackup(_ options: StoreOptions, _ directory: String) throws -> Bool {
    guard let report = try BackupFiles.verify(options, directory) else { return false }
    print(
      "a backup: \(report.copiedFileCount) files, \(Figures.bytes(report.copiedByteCount)) here, "
        + "\(report.keptFileCount) files, \(Figures.bytes(report.keptByteCount)) in earlier backups, "
        + "up to lsn \(report.lsn)")
    print("whole")
    return true
  }
}
