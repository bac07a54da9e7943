/// The files of a backup wherever they lie: in its folder, and those that it names only in the
/// backups before it.
package struct BackupFiles {
  /// Backups that may build on each other.
  private static let depthLimit = 1000

  package let list: BackupList
  /// Of the list's bytes.
  package let digest: Digest
  /// The path of each file by its name in a store.
  package let places: [String: String]

  /// - Throws: `.notFound` when `directory` holds no finished backup, or one before it is gone;
  ///   `.corrupt` when a backup before it is another than it was.
  package init(_ disk: any Disk, _ directory: String) throws(StorageError) {
    (list, digest) = try BackupList.read(disk, directory)
    var places: [String: String] = [:]
    var (folder, current) = (directory, list)
    for _ in 0..<Self.depthLimit {
      for file in current.files where file.isHere && places[file.name] == nil {
        // A file of the same name in a backup between, with other bytes, is not the one.
        if list.file(file.name)?.digest == file.digest {
          places[file.name] = FileNames.path(folder, file.name)
        }
      }
      if list.files.allSatisfy({ places[$0.name] != nil }) { break }
      guard let previous = current.previous else { break }
      folder = Self.find(disk, previous.directory, beside: folder)
      let found: Digest
      (current, found) = try BackupList.read(disk, folder)
      guard found == previous.digest else {
        throw StorageError(.corrupt, "another backup than the one that is built on", file: folder)
      }
    }
    if let missing = list.files.first(where: { places[$0.name] == nil }) {
      throw StorageError(.corrupt, "no backup holds \(missing.name)", file: directory)
    }
    self.places = places
  }

  /// Where the backup before was, or a folder of its name beside this one when all were moved.
  private static func find(_ disk: any Disk, _ recorded: String, beside folder: String) -> String {
    if disk.exists(FileNames.path(recorded, FileNames.backupList)) { return recorded }
    guard let name = recorded.split(separator: "/").last else { return recorded }
    return FileNames.parent(folder).map { FileNames.path($0, String(name)) } ?? String(name)
  }

  /// Checks the backup in `directory` and those it builds on, all bytes; nil when there is none.
  /// - Throws: `.corrupt`, `.notFound` when one it builds on is gone, `.io`.
  package static func verify(
    _ options: StoreOptions, _ directory: String
  ) throws(StorageError) -> Backup.Report? {
    guard options.disk.exists(FileNames.path(directory, FileNames.backupList)) else { return nil }
    let files = try BackupFiles(options.disk, directory)
    try files.check(options.disk)
    return Backup.Report(files.list)
  }

  /// Reads every file and compares it with the list.
  /// - Throws: `.corrupt` naming the first that differs, `.io`.
  package func check(_ disk: any Disk) throws(StorageError) {
    for file in list.files {
      guard let path = places[file.name] else { continue }
      let found = try FileCopy.digest(disk, path)
      guard found.byteCount == file.byteCount, found.digest == file.digest else {
        throw StorageError(.corrupt, "a file of a backup is not what was copied", file: path)
      }
    }
  }
}

/// A backup as a read-only disk: the folder `root` holds the files of a store, wherever they lie.
final class BackupDisk: Disk {
  static let root = "backup"
  private let disk: any Disk
  private let places: [String: String]

  init(_ disk: any Disk, _ files: BackupFiles) {
    self.disk = disk
    places = files.places
  }

  private func name(_ path: String) -> String {
    path.hasPrefix(Self.root + "/") ? String(path.dropFirst(Self.root.utf8.count + 1)) : ""
  }

  func open(_ path: String, _ mode: OpenMode) throws(StorageError) -> any DiskFile {
    guard case .read = mode else { throw Self.readOnly(path) }
    guard let place = places[name(path)] else {
      throw StorageError(.notFound, "the backup has no such file", file: path)
    }
    return try disk.open(place, .read)
  }

  func list(_ directory: String) throws(StorageError) -> [String] {
    let prefix = name(directory) + "/"
    let names = places.keys.filter { $0.hasPrefix(prefix) }.map { $0.dropFirst(prefix.utf8.count) }
    return Set(names.compactMap { $0.split(separator: "/").first.map(String.init) }).sorted()
  }

  func exists(_ path: String) -> Bool {
    let name = name(path)
    return path == Self.root || places[name] != nil
      || places.keys.contains { $0.hasPrefix(name + "/") }
  }

  private static func readOnly(_ path: String) -> StorageError {
    StorageError(.io, "a backup is only read", file: path)
  }

  func createDirectory(_ path: String) throws(StorageError) { throw Self.readOnly(path) }
  func rename(_ from: String, to: String) throws(StorageError) { throw Self.readOnly(from) }
  func remove(_ path: String) throws(StorageError) { throw Self.readOnly(path) }
  func syncDirectory(_ directory: String) throws(StorageError) { throw Self.readOnly(directory) }
  func lock(_ path: String) throws(StorageError) -> any DiskFile { throw Self.readOnly(path) }
  /// Nobody writes to a finished backup.
  func isUnlocked(_ path: String) throws(StorageError) -> Bool { true }
  func freeBytes(_ path: String) throws(StorageError) -> Int { 0 }
}
