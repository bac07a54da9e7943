import Testing

@testable import tsq

private final class FixedNames: CompletionSource {
  func tables() -> [String] { ["devices", "power"] }
  func columns(of table: String) -> [String] { table == "power" ? ["power", "probe", "sensor"] : ["name"] }
  func sensors(prefix: String) -> [String] { ["gresystem000001", "gresystem000002", "other"] }
}

@Suite struct ShellTests {
  private func candidates(_ text: String) -> [String] {
    Completer(source: FixedNames()).completion(text)?.candidates ?? []
  }

  @Test func `tables stand where a table stands`() {
    #expect(candidates("SELECT * FROM ") == ["devices", "power"])
    #expect(candidates("SELECT * FROM po") == ["power"])
    #expect(candidates("SELECT * FROM power JOIN de") == ["devices"])
  }

  @Test func `sensor ids stand inside a literal behind sensor`() {
    #expect(candidates("SELECT * FROM power WHERE sensor = 'gre") == ["gresystem000001", "gresystem000002"])
    #expect(candidates("SELECT * FROM power WHERE device IN ('other', 'gre") == ["gresystem000001", "gresystem000002"])
    #expect(candidates("SELECT * FROM power WHERE version = 'gre") == [])
  }

  @Test func `columns of the named table and of an alias come first to mind`() {
    #expect(candidates("SELECT * FROM power WHERE pro") == ["probe"])
    #expect(candidates("SELECT * FROM power p WHERE p.se") == ["sensor"])
  }

  @Test func `keywords keep the case they are typed in`() {
    #expect(candidates("sel") == ["select"])
    #expect(candidates("SEL") == ["SELECT"])
    #expect(candidates(".mo") == [".mode"])
    #expect(candidates(".mode nd") == ["ndjson"])
  }

  @Test func `a common prefix ignores case and candidates are laid out in columns`() {
    #expect(LineEditor.commonPrefix(["sensor", "Series", "se"]) == "se")
    #expect(LineEditor.table(["a", "bb", "c"], width: 8) == "a   c   \nbb  \n")
  }

  @Test(arguments: ["SELECT 1;", "SELECT\n  'a\\b'\n;", "\\d power", "한글\n\\n"])
  func `history entries survive their line`(entry: String) {
    let line = ShellHistory.encode(entry)
    #expect(!line.contains("\n"))
    #expect(ShellHistory.decode(line) == entry)
  }

  @Test func `habits of psql are understood`() {
    #expect(MetaCommand("\\d power") == MetaCommand(".schema power"))
    #expect(MetaCommand("\\dt").name == ".tables")
    #expect(MetaCommand("\\q").name == ".quit")
    #expect(MetaCommand("exit;").name == ".quit")
    #expect(MetaCommand.isOne(".mode csv"))
    #expect(!MetaCommand.isOne(".5 + 1;"))
    #expect(!MetaCommand.isOne("SELECT 1;"))
  }

  @Test func `errors are coloured by line and left alone without colour`() {
    let text = "ERROR 42601: x\nLINE 1: y\n        ^\nHINT: z"
    #expect(ErrorText.painted(text, colour: false) == text)
    #expect(ErrorText.painted(text, colour: true).contains(ANSI.red + "        ^"))
  }
}
