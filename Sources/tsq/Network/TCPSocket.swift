import Glibc

/// A blocking TCP connection with a read buffer.
///
/// Used by one thread; another one may only call `shutDown`, which touches the constant descriptor
/// alone: hence `@unchecked Sendable`.
final class TCPSocket: @unchecked Sendable {
  private let descriptor: Int32
  private var buffer = [UInt8](repeating: 0, count: 64 << 10)
  private var start = 0
  private var end = 0

  /// - Throws: `CommandError` exit 4 when nobody answers there.
  init(_ url: ServerURL) throws {
    var hints = addrinfo()
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    var found: UnsafeMutablePointer<addrinfo>?
    let failure = getaddrinfo(url.host, "\(url.port)", &hints, &found)
    guard failure == 0 else {
      throw CommandError(.unavailable, "\(url.host) has no address: \(String(cString: gai_strerror(failure)))")
    }
    defer { freeaddrinfo(found) }
    var number: Int32 = 0
    var next = found
    while let address = next?.pointee {
      let descriptor = socket(address.ai_family, address.ai_socktype | Int32(SOCK_CLOEXEC.rawValue), 0)
      if descriptor >= 0, connect(descriptor, address.ai_addr, address.ai_addrlen) == 0 {
        var on: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
        self.descriptor = descriptor
        return
      }
      number = errno
      if descriptor >= 0 { close(descriptor) }
      next = address.ai_next
    }
    throw CommandError(
      .unavailable, "no server answers at \(url.text): \(System.message(number)); is tsq serve running?")
  }

  deinit { close(descriptor) }

  /// Ends reads and writes under way in any thread.
  func shutDown() { shutdown(descriptor, Int32(SHUT_RDWR)) }

  func send(_ bytes: [UInt8]) throws {
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress! + done, $0.count - done) }
      if count < 0 {
        if errno == EINTR { continue }
        throw lost
      }
      done += count
    }
  }

  /// What stands before the next CR LF.
  func readLine(limit: Int = 64 << 10) throws -> String {
    var line: [UInt8] = []
    while true {
      if start == end { try fill() }
      if let at = buffer[start..<end].firstIndex(of: 0x0A) {
        line.append(contentsOf: buffer[start..<at])
        start = at + 1
        if line.last == 0x0D { line.removeLast() }
        return String(decoding: line, as: UTF8.self)
      }
      line.append(contentsOf: buffer[start..<end])
      start = end
      guard line.count <= limit else { throw lost }
    }
  }

  /// At least one byte and at most `limit`; nothing at the end.
  func readSome(limit: Int) throws -> ArraySlice<UInt8> {
    if start == end {
      do { try fill() } catch { return [] }
    }
    let count = min(limit, end - start)
    defer { start += count }
    return buffer[start..<start + count]
  }

  private func fill() throws {
    var count = 0
    repeat { count = read(descriptor, &buffer, buffer.count) } while count < 0 && errno == EINTR
    guard count > 0 else { throw lost }
    (start, end) = (0, count)
  }

  private var lost: CommandError { CommandError(.unavailable, "the server closed the connection; look at its log") }
}
