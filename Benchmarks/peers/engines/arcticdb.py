"""ArcticDB on LMDB, a symbol a series; what spans symbols is put together by NumPy."""
import subprocess
import time

import numpy as np

from ..dataset import CHANNELS
from ..peer import Peer


def symbol(sensor, probe):
    return f"s{sensor}p{probe}"


class Engine(Peer):
    title = "ArcticDB (LMDB)"
    modules = ("arcticdb", "pandas")
    variants = ("LZ4",)
    durability = "LMDB's default sync; not traced"
    counted = "allocated blocks of the LMDB file"
    library = None

    def version(self):
        import arcticdb

        return arcticdb.__version__

    def open(self, folder):
        from arcticdb import Arctic

        self.library = Arctic(f"lmdb://{folder}/store?map_size=16GB").get_library("d", create_if_missing=True)
        return self.library

    @staticmethod
    def frames(readings):
        import arcticdb
        import pandas

        index = pandas.DatetimeIndex(readings.us.view("datetime64[us]").astype("datetime64[ns]"))
        return [arcticdb.WritePayload(symbol(sensor, probe), pandas.DataFrame(
            {name: column[rows] for name, column in readings.channels.items()}, index=index[rows]))
            for sensor, probe, rows in readings.series()]

    def load(self, readings, folder, variant):
        payloads = self.frames(readings)
        begun = time.perf_counter()
        library = self.open(folder)
        for first in range(0, len(payloads), 3):
            library.write_batch(payloads[first:first + 3])
        subprocess.run(["sync"], check=True)
        return time.perf_counter() - begun

    def size(self, folder, variant):
        command = ["du", "-s", "-B1", f"{folder}/store"]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[0])

    def totals(self, folder, variant, channels):
        found = dict.fromkeys(["rows", *channels], 0)
        for name in self.library.list_symbols():
            data = self.library.read(name).data
            found["rows"] += len(data)
            for channel in channels:
                found[channel] += int(data[channel].to_numpy().sum(dtype=np.int64))
        return found

    def questions(self, folder, variant, target):
        """Not asked: q7, which is NumPy's work rather than ArcticDB's."""
        import arcticdb
        import pandas

        library = self.open(folder)
        every = [(sensor, probe) for sensor in range(target.sensors) for probe in range(target.probes)]

        def stamp(us):
            return pandas.Timestamp(us, unit="us")

        def batches(**how):
            for first in range(0, len(every), target.probes):
                some = every[first:first + target.probes]
                requests = [arcticdb.ReadRequest(symbol(*key), **how) for key in some]
                yield [item.data for item in library.read_batch(requests)]

        def builder(rule, **wanted):
            return arcticdb.QueryBuilder().resample(rule).agg(wanted)

        def q1():
            until = stamp(target.to_us - 1)
            data = library.read(symbol(target.sensor, target.probe), date_range=(stamp(target.from_us), until)).data
            return [np.arange(len(data)), *(data[name].to_numpy() for name in ("power", "pf", "voltage"))]

        def q2():
            parts = [library.read(symbol(target.sensor, probe), query_builder=builder(
                "1min", a=("power", "mean"), lo=("power", "min"), hi=("power", "max"))).data
                for probe in range(target.probes)]
            rows = np.concatenate([part[["a", "lo", "hi"]].to_numpy() for part in parts])
            return [np.zeros(len(rows)), np.arange(len(rows)), *rows.T]

        def q3():
            sums, lows, highs, volts, count = 0, [], [], 0, 0
            for some in batches(columns=["power", "voltage"]):
                for data in some:
                    power = data["power"].to_numpy()
                    sums, count = sums + int(power.sum(dtype=np.int64)), count + len(power)
                    lows.append(power.min())
                    highs.append(power.max())
                    volts += int(data["voltage"].to_numpy().sum(dtype=np.int64))
            return [[sums], [sums / count], [min(lows)], [max(highs)], [volts / count]]

        def q4():
            found = []
            for some in batches(query_builder=builder("5min", s=("power", "sum"), n=("power", "count"))):
                found.append(sum(part["s"].to_numpy() for part in some) / sum(part["n"].to_numpy() for part in some))
            found = np.concatenate(found)
            return [np.zeros(len(found)), np.arange(len(found)), found]

        def q5():
            rows = [library.tail(symbol(*key), 1).data[list(CHANNELS)].to_numpy()[0] for key in every]
            return [*np.array(every).T, *np.array(rows).T]

        def q6():
            return [[sum(int(np.count_nonzero((data["power"].to_numpy() > 3000) & (data["pf"].to_numpy() < 900)))
                         for some in batches(columns=["power", "pf"]) for data in some)]]

        return {name: (run, list) for name, run in
                {"q1": q1, "q2": q2, "q3": q3, "q4": q4, "q5": q5, "q6": q6}.items()}

    def prepare(self, frame):
        return self.frames(frame)

    def open_stream(self, folder, frames):
        library = self.open(folder)
        return lambda: library.append_batch

    def streamed_rows(self):
        return sum(len(self.library.read(name, columns=["power"]).data) for name in self.library.list_symbols())

    def close(self):
        self.library = None
