import ArgumentParser
import Server
import TSEngine

struct DeviceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "device",
    abstract: "Devices: list, name, and give them to users.",
    discussion: """
      EXAMPLES:
        tsq device list --owner ann --search hall
        tsq device associate b827eb08451e --user ann
        tsq device history b827eb08451e
      """,
    subcommands: [
      DeviceList.self, DeviceShow.self, DeviceCreate.self, DeviceClaim.self, DeviceAssociate.self,
      DeviceDissociate.self, DeviceRename.self, DeviceDelete.self, DeviceAnnounce.self, DeviceHistoryCommand.self,
      DeviceBridge.self, DeviceSet.self, DeviceSetLamp.self, DeviceCredentialsCommand.self,
      DeviceCall.self, DeviceClock.self,
    ])
}

struct DeviceList: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "Devices, the newest first.",
    discussion: """
      EXAMPLES:
        tsq device list --format csv
        tsq device list --owner ann --category main
        tsq device list --search hall --page 2 --page-size 20
      """)
  @Option(name: [.long, .customLong("user")], help: ArgumentHelp("Only this user's.", valueName: "NAME"))
  var owner: String?
  @Option(help: ArgumentHelp("A part of the id, the name or the owner's name.", valueName: "TEXT")) var search: String?
  @Option(help: ArgumentHelp("main, submain, sub or special.", valueName: "CATEGORY")) var category: String?
  @Option(help: ArgumentHelp("Which page, from 1 on; all without it.", valueName: "N")) var page: Int?
  @Option(help: ArgumentHelp("Devices a page.", valueName: "N")) var pageSize = 50
  @Option(help: "table, csv, json, ndjson, markdown, line or list.") var format: OutputFormat = .table
  @OptionGroup var location: StoreLocation

  func validate() throws {
    guard (1...1_000_000).contains(page ?? 1) else { throw ValidationError("--page is a number from 1 on") }
    guard (1...10_000).contains(pageSize) else { throw ValidationError("--page-size is from 1 to 10000") }
  }

  func run() throws {
    try RegistryAccess.reading(location) { store in
      let registry = try store.wholeRegistry()
      var filter = DeviceFilter()
      filter.owner = try owner.map { try registry.user(named: $0) }
      (filter.search, filter.category) = (search, category)
      if let page { (filter.skip, filter.limit) = ((page - 1) * pageSize, pageSize) }
      try format.print(DeviceText.columns, filter.page(registry).map { DeviceText.row($0, registry) })
    } server: { server in
      try server.show(
        "devices",
        query: [
          ("owner", owner), ("search", search), ("category", category), ("page", page.map { "\($0)" }),
          ("limit", page.map { _ in "\(pageSize)" }),
        ], format: format)
    }
  }
}

struct DeviceShow: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "One device.", discussion: "EXAMPLE: tsq device show b827eb08451e")
  @Argument(help: ArgumentHelp("The device.", valueName: "ID")) var id: String
  @Option(help: "table, csv, json, ndjson, markdown, line or list.") var format: OutputFormat = .line
  @OptionGroup var location: StoreLocation

  func run() throws {
    try RegistryAccess.reading(location) { store in
      let registry = try store.wholeRegistry()
      let device = try registry.device(id)
      let extra = DeviceText.extra(device, registry)
      try format.print(
        DeviceText.columns + extra.map(\.0), [DeviceText.row(device, registry) + extra.map(\.1)])
    } server: { server in
      try server.show("devices", id, format: format)
    }
  }
}

struct DeviceCreate: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "create", abstract: "Make a device, parked.",
    discussion: "EXAMPLE: tsq device create gresystem000001 --type power --name 'Main meter'")
  @Argument(help: ArgumentHelp("The device.", valueName: "ID")) var id: String
  @Option(help: "lampi, power, or a declared type.") var type = DeviceType.power
  @Option(help: "What people call it.") var name = ""
  @OptionGroup var location: StoreLocation

  func run() throws {
    let (id, type, name) = (id, type, name)
    try RegistryAccess.writing(location) { store in
      let found = try store.decideHere { $0.createDevice(id, type: type, name: name, $1) }
      Terminal.note("\(found.arrival == .created ? "Created" : "Found") \(found.text)")
    } server: { server in
      let made = try server.post("devices", body: ["id": id, "type": type, "name": name])
      Terminal.note("\(made["created"] == "true" ? "Created" : "Found") \(made["text"] ?? id)")
    }
  }
}

struct DeviceClaim: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "claim", abstract: "Give a device to the user who typed its code.",
    discussion: "EXAMPLE: tsq device claim 3f9a1c --user ann")
  @Argument(help: ArgumentHelp("What the device shows, 6 digits or more.", valueName: "CODE")) var code: String
  @Option(help: ArgumentHelp("Who typed it.", valueName: "NAME")) var user: String
  @OptionGroup var location: StoreLocation

  func run() throws {
    let (code, user) = (code, user)
    try RegistryAccess.writing(location) { store in
      let person = try store.wholeRegistry().user(named: user)
      let claimed = try store.decideHere { $0.claim(code: code, by: person, $1) }
      Terminal.note("\(claimed.device) belongs to \(user)")
    } server: { server in
      let claimed = try server.post("claim", body: ["code": code, "user": user])
      Terminal.note("\(claimed["device_id"] ?? "the device") belongs to \(user)")
    }
  }
}

struct DeviceAssociate: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "associate", abstract: "Give a device to a user.",
    discussion: "EXAMPLE: tsq device associate b827eb08451e --user ann --at 2026-01-01T00:00:00Z")
  @Argument(help: ArgumentHelp("The device.", valueName: "ID")) var id: String
  @Option(help: ArgumentHelp("The new owner.", valueName: "NAME")) var user: String
  @Option(help: ArgumentHelp("Since when (now).", valueName: "TIME")) var at: String?
  @OptionGroup var location: StoreLocation

  func run() throws {
    let (id, instant) = (id, try at.map(CommandTime.parse))
    try RegistryAccess.writing(location) { store in
      let person = try store.wholeRegistry().user(named: user)
      try store.decideHere { $0.associate(id, with: person, at: instant, $1) }
      Terminal.note("\(id) belongs to \(user)")
    } server: { server in
      try server.post("devices", id, "associate", body: ["user": user, "at": at])
      Terminal.note("\(id) belongs to \(user)")
    }
  }
}

struct DeviceDissociate: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dissociate", abstract: "Take a device from its user; it is parked.",
    discussion: "EXAMPLE: tsq device dissociate b827eb08451e")
  @Argument(help: ArgumentHelp("The device.", valueName: "ID")) var id: String
  @Option(help: ArgumentHelp("Since when (now).", valueName: "TIME")) var at: String?
  @OptionGroup var location: StoreLocation

  func run() throws {
    let (id, instant) = (id, try at.map(CommandTime.parse))
    try RegistryAccess.writing(location) { store in
      try store.decideHere { $0.dissociate(id, at: instant, $1) }
      Terminal.note("\(id) is parked")
    } server: { server in
      try server.post("devices", id, "dissociate", body: ["at": at])
      Terminal.note("\(id) is parked")
    }
  }
}

struct DeviceRename: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rename", abstract: "Give a device another name.",
    discussion: "EXAMPLE: tsq device rename b827eb08451e 'Lamp in the hall'")
  @Argument(help: ArgumentHelp("The device.", valueName: "ID")) var id: String
  @Argument(help: ArgumentHelp("The new name.", valueName: "NAME")) var name: String
  @OptionGroup var location: StoreLocation

  func run() throws {
    let (id, name) = (id, name)
    try RegistryAccess.writing(location) { store in
      try store.decideHere { $0.renameDevice(id, to: name, $1) }
      Terminal.note("\(id): \(name)")
    } server: { server in
      try server.post("devices", id, "rename", body: ["name": name])
      Terminal.note("\(id): \(name)")
    }
  }
}

struct DeviceDelete: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "delete", abstract: "Delete a device; its history and readings stay.",
    discussion: "EXAMPLE: tsq device delete b827eb08451e --dry-run")
  @Argument(help: ArgumentHelp("The device.", valueName: "ID")) var id: String
  @Flag(help: "Only say what would go.") var dryRun = false
  @OptionGroup var location: StoreLocation

  func run() throws {
    let id = id
    try RegistryAccess.at(location) { directory in
      if dryRun { return try StoreAccess.reading(directory) { Self.say(try Self.preview(id, $0), dryRun: true) } }
      try StoreAccess.writing(directory) { store in
        Self.say(try store.decideHere { $0.deleteDevice(id, $1) }, dryRun: false)
      }
    } server: { server in
      let counts = try server.delete("devices", id, dryRun: dryRun).compactMapValues { Int($0) }
      Self.say(
        ["devices", "codes", "tokens", "credentials"].map { counts[$0] ?? 0 }, dryRun: dryRun)
    }
  }

  private static func preview(_ id: String, _ store: Store) throws -> TSEngine.Registry.Deletion {
    let registry = try store.wholeRegistry()
    _ = try registry.device(id)
    let context = DecisionContext(now: System.wallNanos(), actor: StoreAccess.actor, random: SystemRNG())
    return try registry.deleteDevice(id, context).result.mapError { CommandError.failed($0.sentence) }.get()
  }

  private static func say(_ deletion: TSEngine.Registry.Deletion, dryRun: Bool) {
    say([deletion.devices, deletion.codes, deletion.tokens, deletion.credentials], dryRun: dryRun)
  }

  /// What goes, counted by kind (L-08).
  private static func say(_ counts: [Int], dryRun: Bool) {
    let text = zip(["device", "code", "token", "credential"], counts)
      .filter { $0.1 > 0 }.map { "\($0.1) \($0.0)\($0.1 == 1 ? "" : "s")" }.joined(separator: ", ")
    Terminal.note(
      dryRun ? "would delete \(text); nothing was changed" : "deleted \(text); history and readings stay")
  }
}

struct DeviceAnnounce: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "announce", abstract: "Publish a device's association again.",
    discussion: "The server does so as soon as it runs.\n\nEXAMPLE: tsq device announce b827eb08451e")
  @Argument(help: ArgumentHelp("The device.", valueName: "ID")) var id: String
  @OptionGroup var location: StoreLocation

  func run() throws {
    let id = id
    try RegistryAccess.writing(location) { store in
      try store.decideHere { $0.requestAnnouncement(of: id, $1) }
      Terminal.note("\(id) will be announced")
    } server: { server in
      try server.post("devices", id, "announce")
      Terminal.note("\(id) will be announced")
    }
  }
}

struct DeviceHistoryCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "history", abstract: "What happened to a device.",
    discussion: "EXAMPLE: tsq device history b827eb08451e")
  @Argument(help: ArgumentHelp("The device.", valueName: "ID")) var id: String
  @Option(help: "table, csv, json, ndjson, markdown, line or list.") var format: OutputFormat = .table
  @OptionGroup var location: StoreLocation

  func run() throws {
    try RegistryAccess.reading(location) { store in
      let history = try store.snapshot().history(of: id)
      guard !history.isEmpty else { throw CommandError.failed("nothing ever happened to a device \(id)") }
      let wanted = Set(history.map(\.lsn))
      try format.printEvents(of: store) { wanted.contains($0.lsn) }
    } server: { server in
      try server.show("devices", id, "history", format: format)
    }
  }
}
