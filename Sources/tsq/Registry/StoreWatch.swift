import Glibc
import TSEngine

/// Whether a store may have grown since somebody looked, told without opening it: names, sizes and times of the last
/// change of what its log and its manifest consist of.
struct StoreWatch {
  private struct File: Equatable {
    var name: String
    var byteCount: Int
    var seconds: Int
    var nanos: Int
  }

  /// Two changes within this time may have one time stamp.
  private static let tickNanos = 1_000_000_000 / 50

  private let folders: [String]
  /// Nil: what there was may have changed while it was looked at.
  private var seen: [File]?

  init(_ directory: String) {
    folders = [FileNames.logDirectory, FileNames.manifestDirectory + "/" + FileNames.logDirectory]
      .map { FileNames.path(directory, $0) }
  }

  /// True at first, and then where there was a change since the last call. To be asked before the store is opened.
  /// - Complexity: O(log segments) calls of the system.
  mutating func hasChanged() -> Bool {
    let found = folders.flatMap(Self.files)
    let isNews = seen == nil || seen != found
    var now = timespec()
    // SAFETY: one timespec is written.
    _ = unsafe clock_gettime(CLOCK_REALTIME, &now)
    let isSettled = found.allSatisfy { file in
      let age = (now.tv_sec - file.seconds) * 1_000_000_000 + now.tv_nsec - file.nanos
      return age > Self.tickNanos
    }
    seen = isSettled ? found : nil
    return isNews
  }

  private static func files(_ folder: String) -> [File] {
    guard let stream = opendir(folder) else { return [] }
    defer { closedir(stream) }
    var found: [File] = []
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      var status = stat()
      guard name.hasSuffix(".log"), stat(folder + "/" + name, &status) == 0 else { continue }
      found.append(
        File(name: name, byteCount: Int(status.st_size), seconds: status.st_mtim.tv_sec, nanos: status.st_mtim.tv_nsec))
    }
    return found.sorted { $0.name < $1.name }
  }
}
