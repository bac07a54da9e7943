import Glibc
import TSEngine

ProcessSignals.ignoreWriteSignals()
exit(Command.run(Array(CommandLine.arguments.dropFirst())))
