import Hummingbird
import Ingest
import TSEngine

/// `POST /powermon/data`: acknowledged once durable (R9).
extension HTTPDoor {
  func postFrames(_ request: Request, to access: HTTPRoute.Access) async -> Response {
    do {
      let header = Self.token(request)
      // Who has a token in the header is told before the body is read.
      var admitted: Admission?
      if header != nil { admitted = try admission(header, to: access).get() }
      let bytes = try await body(request, limit: Self.bodyLimit)
      let parsed = try parse(bytes)
      let creator = try Self.creator(of: parsed.infos, admitted) { admission($0, to: access) }
      let append = frames.request(parsed, creator: creator, interface: "http", topic: "/powermon/data")
      let result = try await durable(append)
      metrics.add(parsed.infos.count, .httpFrames, result)
      return Reply.json(result.openJSON + "}")
    } catch let error as FrameError {
      metrics.add(.httpRefusals)
      return Refused.badRequest(error.reason).frameResponse(path: error.path)
    } catch let error as StorageError {
      if error.isAboutTheRequest { metrics.add(.httpRefusals) }
      return Refused(error).frameResponse()
    } catch let refused as Refused {
      return refused.frameResponse()
    } catch {
      return Refused.badRequest("The request broke off").frameResponse()
    }
  }

  private func parse(_ bytes: ByteBuffer) throws(FrameError) -> FrameDoor.Parsed {
    var result: Result<FrameDoor.Parsed, FrameError>?
    bytes.withUnsafeReadableBytes { raw in
      let span = RawSpan(_unsafeBytes: raw)
      result = Result { () throws(FrameError) in try frames.parse(span) }
    }
    guard let result else { throw FrameError(path: "", reason: "no body", kind: .missing) }
    return try result.get()
  }

  /// Every frame of an array must carry a token that is good, unless the header has one; a device sends its own.
  /// - Returns: who makes devices that are not there yet.
  private static func creator(
    of infos: [FrameInfo], _ header: Admission?, _ admission: (String?) -> Result<Admission, Refused>
  ) throws(Refused) -> Actor? {
    var last = header.map { (token: String?.none, admitted: $0) }
    for info in infos {
      if header == nil, last == nil || last?.token != info.token {
        last = (info.token, try admission(info.token).get())
      }
      guard last?.admitted.isFor(info.sensorID) ?? false else { throw .forbidden("This token is another device's") }
    }
    guard let last else { throw .unauthorized }
    return last.admitted.creator
  }

  func durable(
    _ request: CommitRequest.AppendRequest
  ) async throws(StorageError) -> AppendResult {
    try await withCheckedContinuation { continuation in
      do throws(StorageError) {
        try store.append(request) { continuation.resume(returning: $0) }
      } catch {
        continuation.resume(returning: .failure(error))
      }
    }.get()
  }
}
