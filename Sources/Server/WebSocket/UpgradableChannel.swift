import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1
import NIOWebSocket

/// HTTP/1.1 connections that may become WebSockets (RFC 6455) with their first request.
struct UpgradableChannel<Access: Sendable>: ServerChildChannel {
  typealias HTTPConnection = NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>

  enum Negotiated: Sendable {
    case http(HTTPConnection)
    case socket(WebSocketConnection, Access)
  }

  struct Value: ServerChildChannelValue {
    let negotiated: EventLoopFuture<Negotiated>
    let channel: any Channel
  }

  let http: HTTP1Channel
  /// Who may have a socket at the request's path; nil leaves the request to HTTP, which says why not.
  let admit: @Sendable (HTTPRequestHead) -> Access?
  /// Serves one socket to its end.
  let serve: @Sendable (WebSocketConnection, Access) async -> Void

  func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
    channel.eventLoop.makeCompletedFuture {
      let pipeline = channel.pipeline.syncOperations
      let waiting = QuiesceHandler()
      try pipeline.addHandler(waiting)
      let negotiated = try pipeline.configureUpgradableHTTPServerPipeline(
        configuration: configuration(of: channel, logger))
      try pipeline.addHandler(
        UpgradeFilter { [admit] in admit($0) != nil },
        position: .before(try pipeline.handler(type: NIOTypedHTTPServerUpgradeHandler<Negotiated>.self)))
      // A connection that asks for nothing is not kept.
      let patience = http.configuration.idleTimeout ?? .seconds(60)
      let timeout = channel.eventLoop.scheduleTask(in: patience) { channel.close(promise: nil) }
      negotiated.whenComplete { result in
        timeout.cancel()
        if case .success(.http) = result { channel.pipeline.syncOperations.removeHandler(waiting, promise: nil) }
      }
      return Value(negotiated: negotiated, channel: channel)
    }
  }

  func handle(value: Value, logger: Logger) async {
    guard let negotiated = try? await value.negotiated.get() else {
      return value.channel.close(promise: nil)
    }
    switch negotiated {
    case .http(let connection): await http.handle(value: connection, logger: logger)
    case .socket(let connection, let access): await serve(connection, access)
    }
  }

  private func configuration(
    of channel: any Channel, _ logger: Logger
  ) -> NIOUpgradableHTTPServerPipelineConfiguration<Negotiated> {
    let upgrader = NIOTypedWebSocketServerUpgrader<Negotiated>(
      maxFrameSize: WebSocketConnection.messageByteLimit,
      shouldUpgrade: { [admit] channel, head in
        let headers = admit(head).map { _ in WebSocketConnection.headers(for: head) }
        return channel.eventLoop.makeSucceededFuture(headers)
      },
      upgradePipelineHandler: { [admit] channel, head in
        channel.eventLoop.makeCompletedFuture {
          guard let access = admit(head) else { throw ChannelError.operationUnsupported }
          return .socket(try WebSocketConnection(wrapping: channel), access)
        }
      })
    let idleTimeout = http.configuration.idleTimeout
    var configuration = NIOUpgradableHTTPServerPipelineConfiguration<Negotiated>(
      upgradeConfiguration: .init(
        upgraders: [upgrader],
        notUpgradingCompletionHandler: { channel in
          channel.eventLoop.makeCompletedFuture {
            let pipeline = channel.pipeline.syncOperations
            try pipeline.addHandler(HTTP1ToHTTPServerCodec(secure: false))
            try pipeline.addHandler(
              HTTPConnectionStateHandler(
                idleTimeout: idleTimeout.map { .nanoseconds($0.nanoseconds) }, logger: logger))
            return .http(
              try HTTPConnection(
                wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true)))
          }
        }))
    configuration.enablePipelining = false
    configuration.enableResponseHeaderValidation = false
    let limits = http.configuration.httpDecoder
    configuration.decoderConfiguration.maxHeaderFieldSize = limits.maxHeaderFieldSize
    configuration.decoderConfiguration.maxHeaderListSize = limits.maxHeaderListSize
    configuration.decoderConfiguration.maxHeaderFieldCount = limits.maxHeaderFieldCount
    return configuration
  }
}

/// Ends a connection when the server stops: one that asked for nothing yet, or a WebSocket.
final class QuiesceHandler: ChannelInboundHandler, RemovableChannelHandler, Sendable {
  typealias InboundIn = NIOAny

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if event is ChannelShouldQuiesceEvent { context.close(promise: nil) }
    context.fireUserInboundEventTriggered(event)
  }
}

/// Takes the wish for another protocol off a request that will not get it, so that HTTP answers it.
final class UpgradeFilter: ChannelInboundHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias InboundOut = HTTPServerRequestPart

  private let isAdmitted: @Sendable (HTTPRequestHead) -> Bool
  private var isFirst = true

  init(_ isAdmitted: @escaping @Sendable (HTTPRequestHead) -> Bool) { self.isAdmitted = isAdmitted }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    // Behind the first head there may be frames of the other protocol.
    guard isFirst else { return context.fireChannelRead(data) }
    isFirst = false
    guard case .head(var head) = unwrapInboundIn(data), head.headers.contains(name: "upgrade"), !isAdmitted(head) else {
      return context.fireChannelRead(data)
    }
    head.headers.remove(name: "upgrade")
    context.fireChannelRead(wrapInboundOut(.head(head)))
  }
}
