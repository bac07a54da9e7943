"""What a peer has to offer to be measured, and how it is measured."""
import importlib
import os
import shutil
import statistics
import subprocess
import threading
import time


class Peer:
    """One engine. A subclass overrides what it can do; what it cannot is reported as such.

    A variant is one way to store (a codec, an index); the first is used for everything, the others for sizes only.
    """

    title = ""
    modules = ()       # Python modules, pinned in requirements.txt
    packages = ()      # Debian packages
    variants = ("",)
    durability = "no commits"
    connections = 1    # of the stream; two send half of the sensors each
    counted = "all files"
    stream_seconds = 40

    def version(self):
        raise NotImplementedError

    def load(self, readings, folder, variant):
        """Loads all rows into the empty folder, synced. -> seconds, preparation of the input left out."""
        raise NotImplementedError

    def optimise(self, folder, variant):
        """Merges to the final form; nothing where there is no such step."""

    def size(self, folder, variant):
        return tree_bytes(folder)

    def totals(self, folder, variant, channels):
        """-> rows and the sum of each channel, as Readings.totals."""
        raise NotImplementedError

    def questions(self, folder, variant, target):
        """-> {name: (run, columns of its answer)}, to be used before close()."""
        return {}

    def prepare(self, frame):
        """A frame as the payload of one commit; not timed."""
        raise NotImplementedError

    def open_stream(self, folder, frames):
        """-> function that opens a connection: a function that commits a payload."""
        return None

    def streamed_rows(self):
        raise NotImplementedError

    def close(self):
        """Ends servers and connections."""


def missing(peer):
    """Why this peer cannot be had, or None."""
    for module in peer.modules:
        try:
            importlib.import_module(module)
        except Exception as error:  # a broken wheel may raise anything
            return f"Python module {module}: {error}"
    for package in peer.packages:
        if not debian_version(package):
            return f"Debian package {package} is not installed"
    return None


def debian_version(package):
    shown = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Abbrev}${Version}", package],
                           capture_output=True, text=True, check=False).stdout
    return shown[3:].strip() if shown.startswith("ii") else None


def tree_bytes(path):
    """Bytes of all files below a path."""
    if os.path.isfile(path):
        return os.path.getsize(path)
    return sum(os.path.getsize(os.path.join(folder, name)) for folder, _, names in os.walk(path) for name in names)


def empty(path):
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    return path


def measure_size(peer, readings, folder, variant):
    """Load, merge, check what is there. -> figures of one variant."""
    load_seconds = peer.load(readings, empty(folder), variant)
    begun = time.perf_counter()
    peer.optimise(folder, variant)
    found = {"bulk_values_per_s": readings.values / load_seconds, "load_s": load_seconds,
             "merge_s": time.perf_counter() - begun}
    totals = peer.totals(folder, variant, list(readings.channels))
    if totals != readings.totals:
        raise ValueError(f"holds {totals}, was given {readings.totals}")
    peer.close()
    found["bytes"] = peer.size(folder, variant)
    found["bits_per_value"] = found["bytes"] * 8 / readings.values
    return found


def measure_questions(peer, folder, variant, target, wanted, is_right):
    """Warm median of five, of two where one run takes over five seconds. -> {q1_ms: …}, names of wrong answers."""
    found, wrong = {}, []
    for name, (run, columns) in peer.questions(folder, variant, target).items():
        begun = time.perf_counter()
        answer = run()
        first = time.perf_counter() - begun
        times = []
        for _ in range(5 if first < 5 else 2):
            begun = time.perf_counter()
            answer = run()
            times.append((time.perf_counter() - begun) * 1e3)
        found[f"{name}_ms"] = statistics.median(times)
        if not is_right(name, columns(answer), wanted[name]):
            wrong.append(name)
    peer.close()
    return found, wrong


def measure_stream(peer, frames, folder):
    """One commit a frame, the next one when it is acknowledged. -> figures, or None when it has no commits."""
    connect = peer.open_stream(empty(folder), frames)
    if connect is None:
        return None
    ways = peer.connections
    parts = [[frame if ways == 1 else frame.half(way) for frame in frames] for way in range(ways)]
    payloads = [[peer.prepare(part) for part in way] for way in parts]
    took = [[] for _ in range(ways)]
    begun = time.perf_counter()

    def send(way):
        commit = connect()
        for payload in payloads[way]:
            at = time.perf_counter()
            commit(payload)
            took[way].append(time.perf_counter() - at)
            if time.perf_counter() - begun > peer.stream_seconds:
                break

    threads = [threading.Thread(target=send, args=(way,)) for way in range(1, ways)]
    for thread in threads:
        thread.start()
    send(0)
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - begun
    sent = [part for way in range(ways) for part in parts[way][:len(took[way])]]
    rows, stored = sum(part.rows for part in sent), peer.streamed_rows()
    peer.close()
    if rows != stored:
        raise ValueError(f"holds {stored} rows of the stream, acknowledged {rows}")
    latencies = sorted(latency * 1e3 for way in took for latency in way)
    return {"values_per_s": sum(part.values for part in sent) / elapsed, "commits": len(latencies),
            "p50_ms": latencies[len(latencies) // 2], "p99_ms": latencies[int(len(latencies) * 0.99)]}
