"""VictoriaMetrics, single node, over HTTP. It acknowledges before anything is on disk."""
import json
import os
import threading
import time
import urllib.parse

import numpy as np

from ..dataset import BASE_US, CHANNELS
from ..peer import Peer, debian_version, tree_bytes
from ..server import Server, free_port

PACKAGE = "victoria-metrics"


class Engine(Peer):
    title = "VictoriaMetrics"
    packages = (PACKAGE,)
    variants = ("default",)
    durability = "NOT synced before the acknowledgement (memory, flushed after seconds)"
    counted = "data/ and indexdb/ after force_merge (its caches on disk left out)"
    connections = 2
    server = None

    def version(self):
        return debian_version(PACKAGE)

    def open(self, folder):
        port = free_port()
        self.server = Server(
            [PACKAGE, f"-storageDataPath={folder}/store", f"-httpListenAddr=127.0.0.1:{port}", "-retentionPeriod=100y",
             "-search.disableCache", "-search.maxQueryDuration=300s", "-search.latencyOffset=0s",
             "-search.maxPointsPerTimeseries=200000", "-loggerLevel=ERROR"], port, "/health", f"{folder}/server.log")
        return self.server

    def load(self, readings, folder, variant):
        """JSON lines, a file a sensor made beforehand, over two connections."""
        sensors = {}
        for sensor, probe, rows in readings.series():
            times = ",".join(map(str, (readings.us[rows] // 1000).tolist()))
            path = sensors.setdefault(sensor, f"{folder}/{sensor}.jsonl")
            with open(path, "a") as file:
                for name, column in readings.channels.items():
                    file.write(f'{{"metric":{{"__name__":"{name}","s":"{sensor}","p":"{probe}"}},'
                               f'"values":[{",".join(map(str, column[rows].tolist()))}],"timestamps":[{times}]}}\n')
        server, paths, failed = self.open(folder), list(sensors.values()), []

        def send(way):
            connection = server.connect()
            try:
                for path in paths[way::2]:
                    with open(path, "rb") as file:
                        server.request("POST", "/api/v1/import", file, connection)
            except (OSError, RuntimeError) as error:
                failed.append(error)

        begun = time.perf_counter()
        threads = [threading.Thread(target=send, args=(way,)) for way in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        server.request("GET", "/internal/force_flush")
        took = time.perf_counter() - begun
        for path in paths:
            os.remove(path)
        if failed:
            raise failed[0]
        self.last_ms = int(readings.us.max()) // 1000
        self.span_s = (self.last_ms - int(readings.us.min()) // 1000) // 1000 + 1
        return took

    def optimise(self, folder, variant):
        self.server.request("GET", "/internal/force_merge")
        self.server.wait_idle()

    def size(self, folder, variant):
        return tree_bytes(f"{folder}/store/data") + tree_bytes(f"{folder}/store/indexdb")

    def instant(self, query, at_ms):
        asked = urllib.parse.urlencode({"query": query, "time": f"{at_ms / 1000:.3f}", "nocache": 1})
        return json.loads(self.server.request("GET", f"/api/v1/query?{asked}"))["data"]["result"]

    def steps(self, query, from_ms, to_ms, step):
        asked = urllib.parse.urlencode({"query": query, "start": f"{from_ms / 1000:.3f}", "end": f"{to_ms / 1000:.3f}",
                                        "step": step, "nocache": 1})
        return json.loads(self.server.request("GET", f"/api/v1/query_range?{asked}"))["data"]["result"]

    def total(self, query, at_ms):
        found = self.instant(query, at_ms)
        return float(found[0]["value"][1]) if found else 0.0

    def totals(self, folder, variant, channels):
        window = f"{self.span_s}s"
        found = {name: round(self.total(f"sum(sum_over_time({name}[{window}]))", self.last_ms)) for name in channels}
        return {"rows": round(self.total(f"sum(count_over_time({channels[0]}[{window}]))", self.last_ms)), **found}

    def questions(self, folder, variant, target):
        """Windows are open at their begin, so all times lie a millisecond before the bucket's end. Not asked: q6, which
        cannot be said over raw rows, and q7, which is to be had by series only."""
        self.open(folder)
        begin, end, span = BASE_US // 1000, target.end_us // 1000 - 1, (target.end_us - BASE_US) // 1_000_000

        def q1():
            match = f'{{__name__=~"power|pf|voltage",s="{target.sensor}",p="{target.probe}"}}'
            asked = urllib.parse.urlencode({"match[]": match, "start": f"{target.from_us / 1e6:.3f}",
                                            "end": f"{target.to_us / 1e6 - 0.001:.3f}"})
            lines = map(json.loads, self.server.request("GET", f"/api/v1/export?{asked}").splitlines())
            return {line["metric"]["__name__"]: (line["timestamps"], line["values"]) for line in lines}

        def q2():
            return [self.steps(f'{way}_over_time(power{{s="{target.sensor}"}}[1m])', begin + 59_999, end, "60s")
                    for way in ("avg", "min", "max")]

        def q3():
            window = f"[{span}s]"
            return [self.total(query, end) for query in (
                f"sum(sum_over_time(power{window}))",
                f"sum(sum_over_time(power{window})) / sum(count_over_time(power{window}))",
                f"min(min_over_time(power{window}))", f"max(max_over_time(power{window}))",
                f"sum(sum_over_time(voltage{window})) / sum(count_over_time(voltage{window}))")]

        def q4():
            return self.steps("avg(avg_over_time(power[5m])) by (s)", begin + 299_999, end, "300s")

        def q5():
            return [self.instant(f"last_over_time({name}[{span}s])", end) for name in CHANNELS]

        def q1_columns(found):
            return [found["power"][0], *(found[name][1] for name in CHANNELS)]

        def by_key(results, label):
            """The values of each result, its rows ordered by label and time so that several agree."""
            ordered = [sorted(((float(line["metric"][label]), at, float(value)) for line in result
                               for at, value in line["values"])) for result in results]
            return [*np.array(ordered[0]).T[:2], *(np.array(rows).T[2] for rows in ordered)]

        def q5_columns(results):
            ordered = [sorted((int(line["metric"]["s"]), int(line["metric"]["p"]), float(line["value"][1]))
                              for line in result) for result in results]
            return [*np.array(ordered[0]).T[:2], *(np.array(rows).T[2] for rows in ordered)]

        return {"q1": (q1, q1_columns), "q2": (q2, lambda found: by_key(found, "p")),
                "q3": (q3, lambda found: [[number] for number in found]),
                "q4": (q4, lambda found: by_key([found], "s")), "q5": (q5, q5_columns)}

    def prepare(self, frame):
        return influx_lines(frame)

    def open_stream(self, folder, frames):
        server = self.open(folder)
        self.last_ms, self.span_s = int(frames[-1].us.max()) // 1000, len(frames) + 1

        def connect():
            connection = server.connect()
            return lambda payload: server.request("POST", "/write", payload, connection)

        return connect

    def streamed_rows(self):
        self.server.request("GET", "/internal/force_flush")
        return round(self.total(f"sum(count_over_time(m_power[{self.span_s}s]))", self.last_ms))

    def close(self):
        if self.server is not None:
            self.server.stop()
        self.server = None


def influx_lines(readings, unit=""):
    """Line protocol; unit "i" says integers."""
    names = list(readings.channels)
    form = "m,p=%d,s=%d " + ",".join(f"{name}=%d{unit}" for name in names) + " %d000"
    columns = [readings.probe, readings.sensor, *readings.channels.values(), readings.us]
    return "\n".join(form % row for row in zip(*(column.tolist() for column in columns))).encode()
