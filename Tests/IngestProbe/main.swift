/// `ingest-probe subscribe …` is what the kill test kills; `frames`, `csv FILE` and `ndjson FILE`
/// print throughput on one core.
let arguments = Array(CommandLine.arguments.dropFirst())
switch arguments.first {
case "frames": benchmarkFrames()
default:
  print("usage: ingest-probe frames | csv FILE | subscribe …")
}
