import Glibc

package enum ProcessSignals {
  /// Turns a write past RLIMIT_FSIZE and a write to a closed pipe or socket from a deadly signal
  /// into EFBIG and EPIPE, which the layers above answer. Call once at start.
  package static func ignoreWriteSignals() {
    _ = signal(SIGXFSZ, SIG_IGN)
    _ = signal(SIGPIPE, SIG_IGN)
  }
}
