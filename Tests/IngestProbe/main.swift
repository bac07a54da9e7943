/// `ingest-probe subscribe PORT CLIENT FILTER FOLDER` is what the kill test kills; the others
/// print throughput on one core.
import Glibc
import Ingest

let arguments = Array(CommandLine.arguments.dropFirst())
switch (arguments.first, arguments.count) {
case ("frames", 1): benchmarkFrames()
case ("subscribe", 5):
  subscribe(
    port: Int32(arguments[1]) ?? 0, client: arguments[2], filter: arguments[3], folder: arguments[4]
  )
case ("subscribe", 8):
  subscribe(
    port: Int32(arguments[1]) ?? 0, client: arguments[2], filter: arguments[3], folder: arguments[4],
    tls: MQTTTLS(caFile: arguments[5], certFile: arguments[6], keyFile: arguments[7]))
case ("mqtt", 3):
  benchmarkMQTT(port: Int32(arguments[1]) ?? 0, count: Int(arguments[2]) ?? 0)
case ("csv", 2): benchmarkImport(arguments[1], .csv)
case ("ndjson", 2): benchmarkImport(arguments[1], .ndjson)
default:
  print(
    "usage: ingest-probe frames | csv FILE | ndjson FILE | mqtt PORT COUNT | subscribe PORT CLIENT FILTER FOLDER [CA CERT KEY]"
  )
  exit(2)
}
