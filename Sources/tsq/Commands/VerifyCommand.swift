import ArgumentParser
import TSEngine

struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Read every byte of a store and check it.",
    discussion: """
      Checks framing and checksums of all files, decodes every block and compares it with its
      statistics. Changes nothing; also beside a server. Ends with 3 when there is damage.

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
      report = try Verify.run(options, System.resolved(directory))
    } catch let error as StorageError {
      throw CommandError(error, store: directory)
    }
    print(
      "\(report.fileCount) files, \(Figures.bytes(report.byteCount)), \(report.rowCount) sealed rows, "
        + "\(report.batchCount) batches of the log, \(report.eventCount) sealed events, up to lsn \(report.newestLSN)")
    for name in report.setAside { print("set aside: \(name)") }
    for loss in report.losses { print("damaged: \(LossText.sentence(loss))") }
    guard report.isWhole else {
      throw CommandError(
        .damaged,
        "\(report.damages.count) places of the store at \(directory) are damaged; the rest is served, "
          + "nothing was changed: keep a copy of the folder before anything else")
    }
    print("whole")
  }
}
