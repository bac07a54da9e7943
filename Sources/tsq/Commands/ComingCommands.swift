import ArgumentParser
struct ImportCommand: NotYetCommand { static let configuration = help("import","To come.", example: "tsq --help"); @Argument(parsing: .allUnrecognized) var rest: [String] = [] }
struct SimulateCommand: NotYetCommand { static let configuration = help("simulate","To come.", example: "tsq --help"); @Argument(parsing: .allUnrecognized) var rest: [String] = [] }
struct DeviceCommand: NotYetCommand { static let configuration = help("device","To come.", example: "tsq --help"); @Argument(parsing: .allUnrecognized) var rest: [String] = [] }
struct UserCommand: NotYetCommand { static let configuration = help("user","To come.", example: "tsq --help"); @Argument(parsing: .allUnrecognized) var rest: [String] = [] }
struct EventsCommand: NotYetCommand { static let configuration = help("events","To come.", example: "tsq --help"); @Argument(parsing: .allUnrecognized) var rest: [String] = [] }
struct ReplayCommand: NotYetCommand { static let configuration = help("replay","To come.", example: "tsq --help"); @Argument(parsing: .allUnrecognized) var rest: [String] = [] }
struct VerifyCommand: NotYetCommand { static let configuration = help("verify","To come.", example: "tsq --help"); @Argument(parsing: .allUnrecognized) var rest: [String] = [] }
struct CompactCommand: NotYetCommand { static let configuration = help("compact","To come.", example: "tsq --help"); @Argument(parsing: .allUnrecognized) var rest: [String] = [] }
struct StatsCommand: NotYetCommand { static let configuration = help("stats","To come.", example: "tsq --help"); @Argument(parsing: .allUnrecognized) var rest: [String] = [] }
