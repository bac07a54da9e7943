import ArgumentParser

struct ServeCommand: NotYetCommand {
  static let configuration = help(
    "serve", "Take readings and answer queries until stopped.", example: "tsq serve --dev --store demo")
  @Argument(parsing: .allUnrecognized) var rest: [String] = []
}
