import Glibc
import Ingest
import Synchronization

/// Appends the eight payload bytes of each message to FOLDER/log, syncs, and only then lets the
/// acknowledgements go: a store in small. Makes FOLDER/ready when subscribed.
func subscribe(port: Int32, client: String, filter: String, folder: String, tls: MQTTTLS? = nil) {
  let log = open("\(folder)/log", O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
  guard log >= 0 else { exit(1) }
  // A kill inside write may have left part of a record; it was never acknowledged.
  _ = ftruncate(log, lseek(log, 0, SEEK_END) / 8 * 8)

  var options = MQTTOptions(host: "127.0.0.1", port: port, clientID: client)
  options.filters = [filter]
  options.tls = tls
  let loop = MQTTLoop(
    options,
    observer: { event in
      if case .subscribed = event { close(open("\(folder)/ready", O_CREAT | O_WRONLY, 0o600)) }
    },
    handler: { messages in
      let records = messages.filter { $0.payload.count == 8 }.flatMap(\.payload)
      var written = 0
      while written < records.count {
        let count = records[written...].withUnsafeBytes { write(log, $0.baseAddress, $0.count) }
        guard count > 0 else { return .retry(messages, afterMillis: 100) }
        written += count
      }
      return fdatasync(log) == 0 ? .committed([]) : .retry(messages, afterMillis: 100)
    })
  loop.run()
}

/// Messages a second through broker and loop: QoS 1, frames of 1.1 kB, publisher in this process too.
func benchmarkMQTT(port: Int32, count: Int) {
  let received = Atomic<Int>(0)
  let ready = Atomic<Bool>(false)
  var options = MQTTOptions(host: "127.0.0.1", port: port, clientID: "bench-sub")
  options.filters = ["bench/#"]
  let subscriber = MQTTLoop(
    options,
    observer: { if case .subscribed = $0 { ready.store(true, ordering: .releasing) } },
    handler: { messages in
      received.add(messages.count, ordering: .relaxed)
      return .committed([])
    })
  let publisher = MQTTLoop(
    MQTTOptions(host: "127.0.0.1", port: port, clientID: "bench-pub"),
    handler: { _ in .committed([]) })
  let threads = [subscriber, publisher].map { loop in
    startThread { loop.run() }
  }
  while !ready.load(ordering: .acquiring) { usleep(1_000) }
  let payload = [UInt8](repeating: 0x20, count: 1_100)
  let start = ContinuousClock.now
  for index in 0..<count {
    let message = MQTTPublication(topic: "bench/\(index % 100)", payload: payload, qos: 1)
    while !publisher.publish(message) { usleep(200) }
  }
  while received.load(ordering: .relaxed) < count { usleep(1_000) }
  let seconds = (ContinuousClock.now - start) / .seconds(1)
  print(
    "mqtt: \(Int(Double(count) / seconds)) messages/s (publisher, broker and subscriber on this machine)"
  )
  publisher.stop()
  subscriber.stop()
  for thread in threads { pthread_join(thread, nil) }
}

func startThread(_ body: @escaping @Sendable () -> Void) -> pthread_t {
  final class Box: Sendable {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }
  var thread = pthread_t()
  pthread_create(
    &thread, nil,
    { raw in
      Unmanaged<Box>.fromOpaque(raw!).takeRetainedValue().body()
      return nil
    }, Unmanaged.passRetained(Box(body)).toOpaque())
  return thread
}
