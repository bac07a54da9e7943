import NIOCore
import NIOHTTP1
import NIOWebSocket
import Synchronization

/// One WebSocket: whole text messages in and out, pings answered, silence ended.
struct WebSocketConnection: Sendable {
  static let messageByteLimit = 1 << 20
  /// A ping goes out so often; who answers none of three is gone.
  private static let pingSeconds: Int64 = 30
  private static let fragmentLimit = 256
  private static let protocols: Set<String> = ["ocpp1.5", "ocpp1.6", "ocpp2.0", "ocpp2.0.1"]

  private let connection: NIOAsyncChannel<WebSocketFrame, WebSocketFrame>
  private let heard: Heard

  /// When the other side was heard last, in pings.
  private final class Heard: Sendable {
    private let silentPings = Mutex(0)
    func note() { silentPings.withLock { $0 = 0 } }
    /// False after the third ping in a row that nothing followed.
    func ping() -> Bool {
      silentPings.withLock { count in
        count += 1
        return count <= 3
      }
    }
  }

  /// Writes of one socket, from any task.
  struct Writer: Sendable {
    fileprivate let channel: any Channel
    fileprivate let outbound: NIOAsyncChannelOutboundWriter<WebSocketFrame>

    /// Returns when it is written; waits for a slow reader.
    func send(_ text: String) async throws {
      try await outbound.write(WebSocketFrame(fin: true, opcode: .text, data: ByteBuffer(string: text)))
    }

    /// Ends the connection at once.
    func cut() { channel.close(mode: .all, promise: nil) }
  }

  init(wrapping channel: any Channel) throws {
    heard = Heard()
    try channel.pipeline.syncOperations.addHandler(
      NIOWebSocketFrameAggregator(
        minNonFinalFragmentSize: 0, maxAccumulatedFrameCount: Self.fragmentLimit,
        maxAccumulatedFrameSize: Self.messageByteLimit))
    connection = try NIOAsyncChannel(wrappingChannelSynchronously: channel)
  }

  /// Of the answer to `head`: the dialect of calls that was asked for, as far as it is known.
  static func headers(for head: HTTPRequestHead) -> HTTPHeaders {
    let asked = head.headers[canonicalForm: "sec-websocket-protocol"].map(String.init)
    guard let known = asked.first(where: { protocols.contains($0) }) else { return HTTPHeaders() }
    return HTTPHeaders([("Sec-WebSocket-Protocol", known)])
  }

  /// Calls `begin` with the writer, then `take` with each text, until either side ends it.
  func run(
    _ begin: (Writer) async -> Void, _ take: @escaping @Sendable (String, Writer) async throws -> Void
  ) async {
    let (channel, heard) = (connection.channel, heard)
    try? await connection.executeThenClose { inbound, outbound in
      let writer = Writer(channel: channel, outbound: outbound)
      await begin(writer)
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
          while true {
            try await Task.sleep(for: .seconds(Self.pingSeconds))
            guard heard.ping() else { return writer.cut() }
            // Waits for nobody: who leaves everything unread is cut by the count.
            guard channel.isWritable else { continue }
            channel.writeAndFlush(WebSocketFrame(fin: true, opcode: .ping, data: ByteBuffer()), promise: nil)
          }
        }
        defer { group.cancelAll() }
        for try await frame in inbound {
          heard.note()
          switch frame.opcode {
          case .text: try await take(String(buffer: frame.unmaskedData), writer)
          case .ping:
            try await outbound.write(WebSocketFrame(fin: true, opcode: .pong, data: frame.unmaskedData))
          case .connectionClose:
            // The code comes back as it was sent.
            var data = frame.unmaskedData
            let code = data.readSlice(length: min(2, data.readableBytes)) ?? ByteBuffer()
            try await outbound.write(WebSocketFrame(fin: true, opcode: .connectionClose, data: code))
            return
          case .binary:
            // 1003: a kind of data that is not taken.
            try await outbound.write(
              WebSocketFrame(fin: true, opcode: .connectionClose, data: ByteBuffer(bytes: [0x03, 0xEB])))
            return
          default: break
          }
        }
      }
    }
  }
}
