import Glibc
import Ingest
import TSEngine

/// Processor time this process has used: the machine is shared, a core is not.
func cpuSeconds() -> Double { Double(clock()) / Double(CLOCKS_PER_SEC) }

/// Bytes a second through `RowImporter`, from a file to chunks.
func benchmarkImport(_ path: String, _ format: ImportFormat) {
  do {
    let start = cpuSeconds()
    var importer = RowImporter(
      try ByteSource(path: path), table: .power, symbols: SymbolTable())
    var (chunks, sum) = (0, Int64(0))
    try importer.run(format) { chunk throws(ImportError) in
      chunks += 1
      for column in chunk.columns { for slot in column.slots { sum &+= slot } }
    } reject: {
      print("line \($0.number): \($0.reason)")
    }
    let seconds = cpuSeconds() - start
    print(
      "\(importer.rowCount) rows, \(chunks) chunks, \(importer.rejectedCount) rejected, sum \(sum): "
        + "\(Int(Double(importer.byteCount) / seconds / 1e6)) MB/s, "
        + "\(Int(Double(importer.rowCount) / seconds)) rows/s")
  } catch { print("\(error)") }
}
