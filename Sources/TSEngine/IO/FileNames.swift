/// Every file name on disk, once. A store is one folder:
///
///     STORE                 format version, store id, feature flags
///     LOCK                  flock of the writing process
///     TOKEN-KEY             key of the HMACs by which access tokens are known, mode 0600
///     BACKUP                in a backup alone: what it holds, written last
///     SERIES                series and coverage of most data segments, derived from them
///     REGISTRY              what the journal segments say, up to one LSN, derived from them
///     RESERVE               bytes set aside so that a full disk can still be started on
///     manifest/log/000001.log  edits naming the live files, framed as the log is
///     log/000001.log        tail segments: the log in order of arrival
///     log/000001@8192.torn  what a recovery cut off at byte 8192
///     log/000001@8192.damaged  copy of bytes that failed their check at byte 8192
///     journal/000001.journal   registry events, kept for ever
///     data/000001.data      sealed columnar blocks
///     rollups/000001.data   buckets of a declared rollup, made from the readings
///     pins/000042-1f.pin    flock of a reading process: it reads the manifest's state at LSN 42
///     data/000001.data@0.unnamed  a file that a damaged manifest may have named once
///
/// A name ending in `.tmp` is unfinished: it is removed at open and never read.
package enum FileNames {
  package static let store = "STORE"
  package static let lock = "LOCK"
  package static let backupList = "BACKUP"
  package static let series = "SERIES"
  package static let registry = "REGISTRY"
  package static let reserve = "RESERVE"
  package static let tokenKey = "TOKEN-KEY"
  package static let manifestDirectory = "manifest"
  package static let logDirectory = "log"
  package static let journalDirectory = "journal"
  package static let dataDirectory = "data"
  package static let pinDirectory = "pins"
  package static let rollupDirectory = "rollups"

  static let temporarySuffix = ".tmp"
  static let logSuffix = ".log"
  static let journalSuffix = ".journal"
  static let dataSuffix = ".data"
  static let tornSuffix = ".torn"
  static let damagedSuffix = ".damaged"
  static let unnamedSuffix = ".unnamed"
  static let pinSuffix = ".pin"

  package static func path(_ directory: String, _ name: String) -> String { directory + "/" + name }

  /// The folder of `path`; nil for a bare name, whose folder is the working directory.
  package static func parent(_ path: String) -> String? {
    guard let slash = path.lastIndex(of: "/") else { return nil }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  package static func temporary(_ name: String) -> String { name + temporarySuffix }
  package static func isTemporary(_ name: String) -> Bool { name.hasSuffix(temporarySuffix) }

  package static func logSegment(_ id: UInt64) -> String { padded(id) + logSuffix }
  package static func logSegmentID(_ name: String) -> UInt64? { number(name, suffix: logSuffix) }

  package static func torn(segment id: UInt64, offset: Int) -> String {
    "\(padded(id))@\(offset)\(tornSuffix)"
  }
  package static func damaged(segment id: UInt64, offset: Int) -> String {
    "\(padded(id))@\(offset)\(damagedSuffix)"
  }

  package static func unnamed(_ path: String, _ count: Int) -> String {
    "\(path)@\(count)\(unnamedSuffix)"
  }

  /// Bytes kept for a person to look at; the store never reads them.
  package static func isSetAside(_ name: String) -> Bool {
    [tornSuffix, damagedSuffix, unnamedSuffix].contains { name.hasSuffix($0) }
  }

  package static func journalSegment(_ id: UInt64) -> String { padded(id) + journalSuffix }
  package static func journalSegmentID(_ name: String) -> UInt64? {
    number(name, suffix: journalSuffix)
  }

  package static func dataSegment(_ id: UInt64) -> String { padded(id) + dataSuffix }
  package static func dataSegmentID(_ name: String) -> UInt64? { number(name, suffix: dataSuffix) }

  package static func pin(_ lsn: LSN, token: UInt64) -> String {
    "\(padded(lsn))-\(String(token, radix: 16))\(pinSuffix)"
  }
  /// The manifest's LSN that a pin names.
  package static func pinnedLSN(_ name: String) -> LSN? {
    guard name.hasSuffix(pinSuffix), let dash = name.firstIndex(of: "-") else { return nil }
    return number(name[..<dash])
  }

  /// At least six digits, so that names sort by number up to a million files.
  private static func padded(_ number: UInt64) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, 6 - digits.utf8.count)) + digits
  }

  private static func number(_ name: String, suffix: String) -> UInt64? {
    name.hasSuffix(suffix) ? number(name.dropLast(suffix.count)) : nil
  }

  /// Only the spelling that `padded` gives, so that one number has one name.
  private static func number(_ digits: Substring) -> UInt64? {
    guard let value = UInt64(digits), padded(value) == digits else { return nil }
    return value
  }
}
