/// A place in the log.
package struct LogPosition: Hashable, Comparable, Sendable {
  package var segmentID: UInt64
  /// Bytes from the start of the segment.
  package var offset: Int

  package init(segmentID: UInt64, offset: Int) {
    self.segmentID = segmentID
    self.offset = offset
  }

  package static func < (a: LogPosition, b: LogPosition) -> Bool {
    a.segmentID != b.segmentID ? a.segmentID < b.segmentID : a.offset < b.offset
  }
}

/// Where a batch lies and what its header says.
package struct LogBatchInfo: Sendable, Equatable {
  package var position: LogPosition
  package var header: LogBatchHeader
  /// The header's checksum, which covers the payload's: names the batch in the chain.
  package var crc: UInt32
}

/// Bytes of the log that fail their check and were, or may have been, acknowledged. They are never
/// changed nor removed; what lies around them is served.
package struct DamagedRange: Sendable, Equatable {
  package enum Reason: String, Sendable {
    /// The first sector of a segment; its batches carry what is needed to read them.
    case segmentHeader
    case batchHeader
    case payload
    /// A good batch in the wrong place of the chain (stale or lost write).
    case order
    /// Bytes that must be zero and are not; no record is lost.
    case padding
    /// Batches are missing between this segment and what follows.
    case missingTail
    case missingSegment
  }
  package var reason: Reason
  package var file: String
  package var segmentID: UInt64
  package var bytes: Range<Int>
  /// What cannot be read: at most these. Nil when no LSN is lost.
  package var lsns: ClosedRange<LSN>?
  /// A gap record already burns the LSNs: known from an earlier recovery.
  package var isBurned = false
}

/// A step in the LSNs between two whole neighbours: taken outside the log (bulk append), as the
/// manifest must confirm.
package struct LSNJump: Sendable, Equatable {
  /// Of the batch, or segment header, after the step.
  package var position: LogPosition
  package var skipped: ClosedRange<LSN>
}

package struct LogSegmentInfo: Sendable, Equatable {
  package var id: UInt64
  package var byteCount: Int
  package var firstLSN: LSN
  /// The LSN after the last one here.
  package var nextLSN: LSN
  package var batchCount = 0
  /// Of the first and last batch; 0 when there is none.
  package var firstCommitNanos: Int64 = 0
  package var lastCommitNanos: Int64 = 0
}

/// What follows the last good batch of the last segment.
package enum LogTail: Sendable, Equatable {
  /// Nothing, or zeros written ahead.
  case clean
  /// Bytes from `offset` on of batches that were never acknowledged.
  case torn(offset: Int)
  /// Bytes of a batch that was, or may have been, acknowledged.
  case damaged
}

/// What a pass over the log found.
package struct LogScan: Sendable, Equatable {
  /// In order; empty for a new log.
  package var segments: [LogSegmentInfo] = []
  /// The LSN to give next.
  package var nextLSN: LSN = 1
  /// The end of the last good batch, where the tail begins.
  package var end: LogPosition?
  package var tail = LogTail.clean
  /// Highest epoch met.
  package var epoch: UInt32 = 0
  package var lastCommitNanos: Int64 = .min
  /// CRC the next segment header names as its predecessor.
  package var chainCRC: UInt32 = 0
  /// The highest LSN that a later batch witnesses as durable. What a process beside the writer
  /// may serve.
  package var witnessedLSN: LSN = 0
  package var damaged: [DamagedRange] = []
  /// A segment whose header the disk refused to give.
  package var unreadableHead: String?
  package var jumps: [LSNJump] = []
  /// By gap records.
  package var burned: [ClosedRange<LSN>] = []

  /// Damage whose LSNs no gap record burns yet.
  package var unburned: [ClosedRange<LSN>] { damaged.compactMap { $0.isBurned ? nil : $0.lsns } }

  mutating func settleBurned() {
    func isBurned(_ lsns: ClosedRange<LSN>) -> Bool {
      burned.contains { $0.lowerBound <= lsns.lowerBound && lsns.upperBound <= $0.upperBound }
    }
    for index in damaged.indices {
      if let lsns = damaged[index].lsns { damaged[index].isBurned = isBurned(lsns) }
    }
    jumps.removeAll { isBurned($0.skipped) }
  }
}
