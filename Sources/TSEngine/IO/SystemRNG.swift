import CTsqShims
import Glibc

/// Random bytes of the kernel, fit for secrets.
package struct SystemRNG: RNG {
  package init() {}

  package func fill(_ buffer: inout MutableRawSpan) {
    unsafe buffer.withUnsafeMutableBytes { raw in
      var done = 0
      while done < raw.count {
        // SAFETY: done ..< raw.count lies inside `raw`, which lives through the call.
        let count = unsafe tsq_getrandom(raw.baseAddress! + done, raw.count - done)
        if count > 0 {
          done += count
        } else {
          // Only an interruption is possible for valid arguments; going on with predictable
          // bytes is not.
          precondition(errno == EINTR, "getrandom works")
        }
      }
    }
  }
}
