import Query
import Server
import TSEngine

/// Pages of the log, of a store or of a server, as rows of the table `events`.
struct LogSource {
  private static let pageLimit = 1000

  private let place: StoreLocation.Place
  private let server: RemoteRegistry?
  private let kinds: [String]
  private let filter: LogFilter

  init(_ place: StoreLocation.Place, kinds: [String], type: String?, device: String?) throws {
    (self.place, self.kinds) = (place, kinds)
    if case .server(let url) = place { server = try RemoteRegistry(url) } else { server = nil }
    var filter = LogFilter(type: type, device: device)
    if !kinds.isEmpty {
      guard let wanted = LogFilter.kinds(kinds) else { throw CommandError.usage(LogFilter.unknownKind) }
      filter.kinds = wanted
    }
    self.filter = filter
  }

  static let columns = LogRow.columns.map { ResultColumn(name: $0.name, kind: ResultColumn.Kind($0.type)) }

  /// What tells that there may be something new, for a store; a server is asked.
  var watch: StoreWatch? {
    guard case .directory(let directory) = place else { return nil }
    return StoreWatch(System.resolved(directory))
  }

  /// Gives pages from `from` to the end of the log as it stands to `take`, each with the position behind it, until that
  /// returns false.
  func pages(from: UInt64, _ take: ([[String?]], UInt64) throws -> Bool) throws {
    if let server {
      return try Self.pages(from: from, take) { position in
        let page = try server.log([
          ("from", "\(position)"), ("limit", "\(Self.pageLimit)"),
          ("kind", kinds.isEmpty ? nil : kinds.joined(separator: ",")), ("type", filter.type), ("device", filter.device),
        ])
        return Page(rows: page.rows.map(Self.row), next: page.next, newest: page.newest)
      }
    }
    guard case .directory(let directory) = place else { return }
    try StoreAccess.reading(directory) { store in
      let (snapshot, registry) = (store.snapshot(), try store.wholeRegistry())
      if let type = filter.type, !filter.isOfKnownType(registry) {
        throw CommandError.failed("there is no type \"\(type)\"; tsq type list names them")
      }
      try Self.pages(from: from, take) { position in
        let page = try snapshot.log(from: position, limit: Self.pageLimit, filter, work: Snapshot.logPageWork)
        let rows = page.entries.map { LogRow.values($0, registry).map(\.text) }
        return Page(rows: rows, next: page.next, newest: snapshot.lsn)
      }
    }
  }

  struct Page {
    var rows: [[String?]]
    var next: UInt64
    /// Where the log ended when this was asked for.
    var newest: UInt64
  }

  /// To the end of the log as it stood for the first page: a page may be short, or empty, before that.
  static func pages(
    from: UInt64, _ take: ([[String?]], UInt64) throws -> Bool, _ page: (UInt64) throws -> Page
  ) throws {
    var (position, end) = (from, UInt64?.none)
    while true {
      let found = try page(position)
      let newest = end ?? found.newest
      end = newest
      position = found.next
      if try !take(found.rows, found.next) || found.next > newest { return }
    }
  }

  /// An object of the server's as the row that it is.
  private static func row(_ members: [FlatJSON.Member]) -> [String?] {
    let texts = Dictionary(members.map { ($0.key, $0.text) }, uniquingKeysWith: { first, _ in first })
    return columns.map { column in
      let text = texts[column.name] ?? nil
      switch column.name {
      case "recorded_at", "effective_at": return text.flatMap { Int64($0) }.map { TimestampText.format($0) }
      case "cause": return texts["reason"] ?? text ?? (texts["actor"] == nil ? nil : "")
      default: return text
      }
    }
  }
}
