import Foundation
import Testing

@testable import Server

/// One writer of results: the bytes of an answer are the same at every door.
@Suite(.serialized) struct FormatTests {
  /// Values that tempt two writers to differ: integers past 2^53, fractions, NaN, nulls, quotes,
  /// control characters, empty texts, wide integers, intervals, instants with and without fractions.
  static let statements = [
    """
    SELECT ts, sensor, probe, power, pf, voltage, voltage_span, version, owner, received_at > ts AS late
    FROM power ORDER BY sensor, probe, ts LIMIT 45
    """,
    """
    SELECT 'a"b,c' AS "quo""ted", '' AS empty, NULL AS nothing, 9007199254740993 AS big, 1.5 AS half, 2.0 AS two,
    1e300 AS huge, 'line\nfeed\t' AS text, true AS yes, INTERVAL '1 day 2 hours' AS span
    """,
    "SELECT 'NaN'::double precision AS nan, '-Infinity'::double precision AS low, '서울' AS 이름",
    "SELECT energy(power, 'Wns') AS wide, avg(power) AS mean, stddev(power) AS deviation FROM power",
    "SELECT ts, power FROM power WHERE power < 0",
    "SELECT probe, ts, power, pf FROM power ORDER BY ts, sensor, probe",
  ]

  @Test("tsq query --format X, on a store and over --connect, and GET /api/query?format=X give the same bytes")
  func answersAreEqualAtEveryDoor() throws {
    let server = try ServeProcess()
    let client = server.client()
    for second in 0..<40 {
      let frames = (1...3).map { Frames.json("gresystem00000\($0)", 1_666_000_000 + Int64(second), power: 100 * $0) }
      #expect(try client.post("/powermon/data", "[\(frames.joined(separator: ","))]").status == 200)
    }
    for sql in Self.statements {
      for format in ["csv", "json", "ndjson"] {
        let escaped = sql.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
        let answer = try client.get("/api/query?q=\(escaped)&format=\(format)")
        #expect(answer.status == 200, "\(sql): \(answer.body)")
        for place in [["--store", server.store], ["--connect", "http://127.0.0.1:\(server.port)"]] {
          let output = "\(server.folder)/answer"
          let query = try ChildProcess(
            ServeProcess.binary, ["query", sql, "--format", format] + place, output: output)
          #expect(query.waitForStatus() == 0)
          #expect(String(decoding: fileBytes(output), as: UTF8.self) == answer.body, "\(format) at \(place[0]): \(sql)")
        }
      }
    }
  }
}
