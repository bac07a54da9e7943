/// `microbench NAME …` runs one benchmark in stores below the current folder, which it leaves.
switch CommandLine.arguments.dropFirst().first {
case "stream": try StreamBenchmark.commits(Array(CommandLine.arguments.dropFirst(2)))
case "paced": try PacedBenchmark.run(Array(CommandLine.arguments.dropFirst(2)))
case "frames": try StreamBenchmark.frames(Array(CommandLine.arguments.dropFirst(2)))
case "fleet": try FleetBenchmark.run(Array(CommandLine.arguments.dropFirst(2)))
case "codec": try codec(Array(CommandLine.arguments.dropFirst(2)))
case "allocations": try AllocationBench.run(Array(CommandLine.arguments.dropFirst(2)))
case "bulk": try bulk(Array(CommandLine.arguments.dropFirst(2)))
case "sizes": try SizeBench.run(Array(CommandLine.arguments.dropFirst(2)))
default:
  print(
    """
    usage: microbench codec [folder of real sets] [--sensors N] [--write FILE]
           microbench allocations [thresholds [--write]]
           microbench bulk [sensors] [seconds] [runs]
           microbench sizes [sensors] [seconds] [streamed seconds]
           microbench stream [sensors] [seconds] [producers]
           microbench paced [sensors] [wall seconds] [million values/s]
           microbench frames [sensors] [seconds] [frames a round]
           microbench fleet make|segments|open|registry …
    """)
}
