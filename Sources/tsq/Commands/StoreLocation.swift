import ArgumentParser

/// Where a command finds its data.
struct StoreLocation: ParsableArguments {
  enum Place: Equatable {
    case directory(String)
    case server(String)
  }

  @Option(name: .long, help: ArgumentHelp("The store's directory (else TSQ_STORE, else ./tsq-data).", valueName: "DIR"))
  var store: String?

  @Option(name: .long, help: ArgumentHelp("Ask a server instead (else TSQ_URL).", valueName: "URL"))
  var connect: String?

  /// For commands that can do both. A URL in the environment goes before a directory there: who
  /// sets both runs the server of that directory.
  func place(argument: String? = nil) throws -> Place {
    if [argument, store, connect].compactMap({ $0 }).count > 1 {
      throw CommandError.usage("name one place only: a directory, --store or --connect")
    }
    if let argument { return argument.contains("://") ? .server(argument) : .directory(argument) }
    if let connect { return .server(connect) }
    if let store { return .directory(store) }
    if let url = System.environment("TSQ_URL") { return .server(url) }
    return .directory(System.environment("TSQ_STORE") ?? "tsq-data")
  }

  /// For commands that work on files only.
  func directory(_ command: String) throws -> String {
    if connect != nil {
      throw CommandError.usage("tsq \(command) works on a store's files; name it with --store DIR")
    }
    return store ?? System.environment("TSQ_STORE") ?? "tsq-data"
  }
}
