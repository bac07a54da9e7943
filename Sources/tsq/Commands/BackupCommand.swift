import ArgumentParser
import enum Query.TimestampText
import TSEngine

struct BackupCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "backup", abstract: "Copy a store as it is now, also while a server has it.",
    discussion: """
      DEST is made, or must be empty. It is a backup when it holds the file BACKUP, which is
      written last. With --since only what an earlier backup has not is copied; keep that one,
      too. Check a backup with: tsq verify --store DEST. Access tokens of the server hang on
      the store's file TOKEN-KEY, which is a secret and is not copied.

      EXAMPLES:
        tsq backup /mnt/monday --store /srv/tsq
        tsq backup /mnt/tuesday --since /mnt/monday --store /srv/tsq
      """)

  @Argument(help: ArgumentHelp("The folder to make.", valueName: "DEST")) var target: String
  @Option(help: ArgumentHelp("An earlier backup of this store.", valueName: "PREV")) var since: String?
  @OptionGroup var location: StoreLocation

  func run() throws {
    let directory = try location.directory("backup")
    var options = StoreOptions()
    options.isReadOnly = true
    options.createIfMissing = false
    let progress = Progress()
    progress.show { "copying \(directory)" }
    do {
      let report = try Backup.run(
        options, store: System.resolved(directory), to: System.resolved(target),
        since: since.map { System.resolved($0) })
      progress.clear()
      var text = "\(report.copiedFileCount) files, \(Figures.bytes(report.copiedByteCount)) copied"
      if since != nil {
        text += ", \(report.keptFileCount) files, \(Figures.bytes(report.keptByteCount)) in earlier backups"
      }
      try FileSink(descriptor: 1).writeThrough(text + ", up to lsn \(report.lsn)")
    } catch let error as StorageError {
      throw CommandError(error, store: directory)
    }
  }
}

struct RestoreCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "restore", abstract: "Make a store from a backup, as it was at any moment.",
    discussion: """
      The store is made in --store DIR, which must be empty or not there. With --to it holds what
      was committed up to that instant or position of the log, and nothing later. Every file of
      the backup is checked first, every file of the store afterwards.

      EXAMPLES:
        tsq restore /mnt/tuesday --store /srv/tsq
        tsq restore /mnt/tuesday --to 2026-01-01T00:00:00Z --store /srv/before
      """)

  @Argument(help: ArgumentHelp("The backup.", valueName: "SRC")) var source: String
  @Option(help: ArgumentHelp("The moment to go back to.", valueName: "TIME|LSN")) var to: String?
  @OptionGroup var location: StoreLocation

  func run() throws {
    let directory = try location.directory("restore")
    let moment = try to.map { try CommandTime.moment($0) }
    let options = StoreOptions()
    let progress = Progress()
    progress.show { "restoring \(source)" }
    do {
      let report = try Restore.run(
        options, from: System.resolved(source), to: System.resolved(directory), at: moment)
      let verified = try Verify.run(options, System.resolved(directory))
      progress.clear()
      guard verified.isWhole else {
        throw CommandError(.damaged, "what was restored is damaged; look at it with: tsq verify --store \(directory)")
      }
      let time = report.time.map { ", committed at \(TimestampText.format($0))" } ?? ""
      try FileSink(descriptor: 1).writeThrough(
        "restored to lsn \(report.lsn)\(time): \(Figures.grouped(report.rowCount)) rows with their "
          + "versions, \(Figures.grouped(report.eventCount)) events; whole")
    } catch let error as StorageError {
      if error.code == .notFound {
        throw CommandError(.unavailable, "\(error.file ?? source): \(error.reason)")
      }
      throw CommandError(error, store: directory)
    }
  }
}
