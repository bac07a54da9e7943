"""InfluxDB 1.x over HTTP, every write synced."""
import json
import threading
import time
import urllib.parse

import numpy as np

from ..dataset import BASE_US, Readings
from ..peer import Peer, debian_version, tree_bytes
from ..server import Server, free_port
from .victoriametrics import influx_lines

PACKAGE = "influxdb"
POINTS_A_WRITE = 12_000
SETTINGS = """reporting-disabled = true
bind-address = "127.0.0.1:{backup}"
[meta]
 dir = "{folder}/store/meta"
[data]
 dir = "{folder}/store/data"
 wal-dir = "{folder}/store/wal"
 wal-fsync-delay = "0s"
 cache-max-memory-size = "8g"
 cache-snapshot-memory-size = "64m"
 cache-snapshot-write-cold-duration = "5s"
 compact-full-write-cold-duration = "5s"
 query-log-enabled = false
[coordinator]
 write-timeout = "60s"
[monitor]
 store-enabled = false
[http]
 bind-address = "127.0.0.1:{port}"
 log-enabled = false
 max-body-size = 0
[subscriber]
 enabled = false
[continuous_queries]
 enabled = false
"""


class Engine(Peer):
    title = "InfluxDB 1.x"
    packages = (PACKAGE,)
    variants = ("TSM",)
    durability = "wal-fsync-delay = 0: synced before the acknowledgement"
    counted = "the TSM files after full compaction (its preallocated series files left out)"
    connections = 2
    server = None

    def version(self):
        return debian_version(PACKAGE)

    def open(self, folder):
        port = free_port()
        settings = f"{folder}/settings.conf"
        with open(settings, "w") as file:
            file.write(SETTINGS.format(folder=folder, port=port, backup=free_port()))
        self.server = Server(["influxd", "-config", settings], port, "/ping", f"{folder}/server.log")
        return self.server

    def ask(self, sql, method="GET"):
        asked = urllib.parse.urlencode({"q": sql, "db": "d", "epoch": "ms"})
        result = json.loads(self.server.request(method, f"/query?{asked}"))["results"][0]
        if "error" in result:
            raise RuntimeError(result["error"])
        return result.get("series", [])

    def load(self, readings, folder, variant):
        payloads = []
        for _, _, rows in readings.series():
            for first in range(rows.start, rows.stop, POINTS_A_WRITE):
                part = slice(first, min(first + POINTS_A_WRITE, rows.stop))
                payloads.append(influx_lines(Readings(
                    "", readings.sensor[part], readings.probe[part], readings.us[part],
                    {name: column[part] for name, column in readings.channels.items()}), "i"))
        server, failed = self.open(folder), []
        self.ask("CREATE DATABASE d", "POST")

        def send(way):
            connection = server.connect()
            try:
                for payload in payloads[way::2]:
                    server.request("POST", "/write?db=d", payload, connection)
            except (OSError, RuntimeError) as error:
                failed.append(error)

        begun = time.perf_counter()
        threads = [threading.Thread(target=send, args=(way,)) for way in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failed:
            raise failed[0]
        return time.perf_counter() - begun

    def optimise(self, folder, variant):
        self.server.wait_idle(least=20)

    def size(self, folder, variant):
        return tree_bytes(f"{folder}/store/data") - tree_bytes(f"{folder}/store/data/d/_series")

    def totals(self, folder, variant, channels):
        sums = "".join(f", sum({name})" for name in channels)
        row = self.ask(f"SELECT count({channels[0]}){sums} FROM m")[0]["values"][0]
        return dict(zip(["rows", *channels], map(int, row[1:])))

    def questions(self, folder, variant, target):
        """Not asked: q7, whose percentile is a nearest rank and takes minutes."""
        self.open(folder)
        within = f"time >= {BASE_US // 1000}ms AND time < {target.end_us // 1000}ms"
        statements = {
            "q1": f"SELECT power, pf, voltage FROM m WHERE s = '{target.sensor}' AND p = '{target.probe}' "
            f"AND time >= {target.from_us // 1000}ms AND time < {target.to_us // 1000}ms",
            "q2": f"SELECT mean(power), min(power), max(power) FROM m WHERE s = '{target.sensor}' AND {within} "
            "GROUP BY p, time(1m)",
            "q3": "SELECT sum(power), mean(power), min(power), max(power), mean(voltage) FROM m",
            "q4": f"SELECT mean(power) FROM m WHERE {within} GROUP BY s, time(5m)",
            "q5": "SELECT last(power), last(pf), last(voltage) FROM m GROUP BY s, p",
            "q6": "SELECT count(power) FROM m WHERE power > 3000 AND pf < 900",
        }
        tags = {"q2": ("p",), "q4": ("s",), "q5": ("s", "p")}

        def columns(name):
            if name == "q6":  # no series at all when no row fits
                return lambda series: [[series[0]["values"][0][1] if series else 0]]
            timed = name in ("q1", "q2", "q4")

            def of(series):
                rows = [[*(float(line["tags"][tag]) for tag in tags.get(name, ())), *(cells if timed else cells[1:])]
                        for line in series for cells in line["values"]]
                return list(np.array(rows, np.float64).T)
            return of

        return {name: (lambda sql=sql: self.ask(sql), columns(name)) for name, sql in statements.items()}

    def prepare(self, frame):
        return influx_lines(frame, "i")

    def open_stream(self, folder, frames):
        server = self.open(folder)
        self.ask("CREATE DATABASE d", "POST")

        def connect():
            connection = server.connect()
            return lambda payload: server.request("POST", "/write?db=d", payload, connection)

        return connect

    def streamed_rows(self):
        return self.ask("SELECT count(power) FROM m")[0]["values"][0][1]

    def close(self):
        if self.server is not None:
            self.server.stop()
        self.server = None
