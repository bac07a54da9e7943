import ArgumentParser
import TSEngine

struct SalvageCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "salvage", abstract: "Copy what is good out of a damaged store.",
    discussion: """
      Makes a fresh store of everything that passes its checks, with the same
      lsns and times, and says what was left behind. The damaged store is only
      read. Ends with 3 when something was left behind. Events that are lost stay
      refused in the new store; what they made of the registry is kept where the
      file REGISTRY knows it, else the new store goes by what is left.

      EXAMPLE: tsq salvage --store damaged rescued
      """)
  @Argument(help: "The folder of the new store; it must be empty or not there.") var destination: String
  @OptionGroup var location: StoreLocation

  func run() throws {
    let directory = try location.directory("salvage")
    let target = System.resolved(destination)
    let report: Salvage.Report
    do {
      report = try Salvage.run(StoreOptions(), from: System.resolved(directory), to: target)
    } catch let error as StorageError {
      throw CommandError(error, store: directory)
    }
    print(
      "copied to \(destination): \(report.rowCount) sealed rows, \(report.eventCount) events, "
        + "\(report.batchCount) batches of the log")
    if report.isStoreFileLost { print("left behind: STORE, made anew from the id that the logs name") }
    if report.isManifestIncomplete {
      print("left behind: edits of the manifest; every sealed file that was there is in the copy")
    }
    if report.registryLSN > 0 {
      print(
        "kept: REGISTRY, which alone knows what damaged journals up to lsn \(report.registryLSN) made of devices, "
          + "users and tables; they are in the copy as they are: put them back from a backup, and keep REGISTRY")
    }
    for loss in report.losses { print("left behind: \(LossText.sentence(loss))") }
    guard report.isWhole else {
      throw CommandError(
        .damaged,
        "\(report.losses.count) places of the store at \(directory) were left behind; check the copy with: "
          + "tsq verify --store \(destination)")
    }
    print("nothing was left behind")
  }
}
