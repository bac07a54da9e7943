// swift-tools-version: 6.2
import PackageDescription

/// Rooms that touch bytes from disk, the network or a query run with strict memory safety:
/// every unsafe expression is marked and carries its proof.
let strict: [SwiftSetting] = [
  .strictMemorySafety(),
  .enableExperimentalFeature("Lifetimes"),
  .unsafeFlags(["-cross-module-optimization"], .when(configuration: .release)),
]
/// `TSQ_PLANTED=1` compiles the bugs planted for the fault campaigns (R14) into the engine; they sleep
/// until one is chosen by name. Never part of a product.
let planted: [SwiftSetting] =
  Context.environment["TSQ_PLANTED"] == nil ? [] : [.define("TSQ_PLANTED")]
let plain: [SwiftSetting] = [
  .unsafeFlags(["-cross-module-optimization"], .when(configuration: .release))
]

/// `TSQ_ONLY=engine` or `TSQ_ONLY=query` builds these rooms and their tests alone, without the server's
/// packages: a quick loop for work on the store.
let engineRooms: Set = [
  "CLZ4", "CTsqShims", "TSEngine", "TSEngineTests", "engine-probe", "faults",
]
let chosenRooms: Set<String>? =
  switch Context.environment["TSQ_ONLY"] {
  case "engine": engineRooms
  case "query": engineRooms.union(["Query", "QueryTests", "CSQLite", "Bench", "microbench"])
  default: nil
  }

let packages: [Package.Dependency] =
  [
    .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
    .package(url: "https://github.com/apple/swift-collections", from: "1.3.0"),
  ]
  + (chosenRooms != nil ? [] : [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
    .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.81.0"),
    .package(url: "https://github.com/apple/swift-nio-extras", from: "1.25.0"),
  ])

let rooms: [Target] =
  [
    .systemLibrary(name: "CLZ4", pkgConfig: "liblz4", providers: [.apt(["liblz4-dev"])]),
    .target(name: "CTsqShims", cSettings: [.unsafeFlags(["-O2"])]),
    .target(
      name: "TSEngine",
      dependencies: [
        "CLZ4", "CTsqShims", .product(name: "SwiftProtobuf", package: "swift-protobuf"),
        .product(name: "HashTreeCollections", package: "swift-collections"),
      ],
      exclude: ["Events/events.proto", "Events/generate.sh"],
      swiftSettings: strict + planted),
    // The fault campaigns over the simulated disk: `make faults`. Not part of the product.
    .executableTarget(
      name: "faults", dependencies: ["TSEngine"], path: "Tests/Faults", exclude: ["real"],
      swiftSettings: plain + planted),
    .systemLibrary(name: "CEditline", providers: [.apt(["libedit-dev"])]),
    .executableTarget(
      name: "tsq",
      dependencies: [
        "TSEngine", "Query", "Ingest", "Server", "Bench", "CEditline",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: plain),
    .testTarget(name: "tsqTests", dependencies: ["tsq"], swiftSettings: plain),
    .target(name: "Query", dependencies: ["TSEngine"], swiftSettings: strict),
    .target(name: "Bench", dependencies: ["TSEngine", "Query"], swiftSettings: plain),
    // Figures of single parts: codecs, appends, sealing. Not part of the product.
    .executableTarget(
      name: "microbench", dependencies: ["TSEngine", "Query", "Bench"], path: "Benchmarks/Micro",
      swiftSettings: plain),
    .systemLibrary(
      name: "CMosquitto", pkgConfig: "libmosquitto", providers: [.apt(["libmosquitto-dev"])]),
    .systemLibrary(name: "CTLS", pkgConfig: "libssl", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .target(
      name: "Ingest", dependencies: ["TSEngine", "CMosquitto", "CTLS", "CZlib"], swiftSettings: strict),
    // A process for tests to kill (an MQTT subscriber), and the throughput figures of this room.
    .executableTarget(
      name: "ingest-probe", dependencies: ["Ingest"], path: "Tests/IngestProbe", swiftSettings: plain),
    .testTarget(
      name: "IngestTests", dependencies: ["Ingest", "ingest-probe"], swiftSettings: plain),
    .target(
      name: "Server",
      dependencies: [
        "TSEngine", "Ingest", "Query", "CCrypto", .product(name: "Hummingbird", package: "hummingbird"),
        .product(name: "HummingbirdCore", package: "hummingbird"),
        .product(name: "Logging", package: "swift-log"), "Yams",
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"), .product(name: "NIOWebSocket", package: "swift-nio"),
        .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
        .product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras"),
      ],
      swiftSettings: plain),
    .testTarget(name: "ServerTests", dependencies: ["Server", "tsq"], swiftSettings: plain),
    // A writer and a reader in processes of their own, for tests to run beside each other.
    .executableTarget(
      name: "engine-probe", dependencies: ["TSEngine"], path: "Tests/EngineProbe", swiftSettings: plain),
    .testTarget(
      name: "TSEngineTests", dependencies: ["TSEngine", "engine-probe"], swiftSettings: plain),
    // The other side of differential tests. Not part of the product.
    .systemLibrary(
      name: "CSQLite", path: "Tests/CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
    .testTarget(
      name: "QueryTests", dependencies: ["Query", "TSEngine", "CSQLite"], exclude: ["sql", "syntax"], swiftSettings: plain),
  ]

let package = Package(
  name: "tsq",
  dependencies: packages,
  targets: chosenRooms.map { chosen in rooms.filter { chosen.contains($0.name) } } ?? rooms,
  swiftLanguageModes: [.v6]
)
