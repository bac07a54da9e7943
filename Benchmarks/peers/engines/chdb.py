"""chDB: ClickHouse's MergeTree in the process, sorted by (sensor, probe, ts)."""
import io
import os
import time

import numpy as np

from ..peer import Peer, empty

CODECS = {
    "T64+ZSTD(1)": "T64('bit'), ZSTD(1)",
    "Delta+ZSTD(1)": "Delta, ZSTD(1)",
    "T64+ZSTD(9)": "T64('bit'), ZSTD(9)",
    "Delta+ZSTD(9)": "Delta, ZSTD(9)",
}


class Engine(Peer):
    title = "chDB (ClickHouse)"
    modules = ("chdb",)
    variants = tuple(CODECS)
    durability = "fsync_after_insert and fsync_part_directory set: synced before the acknowledgement"
    counted = "bytes_on_disk of the active parts after OPTIMIZE FINAL"
    session = None

    def version(self):
        import chdb

        return f"{chdb.__version__} (ClickHouse {chdb.query('SELECT version()', 'TSV').data().strip()})"

    def open(self, folder):
        from chdb.session import Session

        self.session = Session(f"{folder}/store")
        self.session.query("SET use_query_condition_cache = 0")

    def create(self, readings, variant, settings=""):
        self.session.query("CREATE DATABASE IF NOT EXISTS db ENGINE = Atomic")
        channels = "".join(
            f", {name} {'Int16' if readings.fits16(name) else 'Int32'} CODEC({CODECS[variant]})"
            for name in readings.channels)
        self.session.query(
            "CREATE TABLE db.t(sensor UInt16 CODEC(ZSTD(1)), probe UInt8 CODEC(ZSTD(1)), "
            f"ts DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)){channels}) "
            f"ENGINE = MergeTree ORDER BY (sensor, probe, ts) {settings}")

    def load(self, readings, folder, variant):
        rows = readings.table()  # noqa: F841 (chDB finds it by its name)
        begun = time.perf_counter()
        self.open(folder)
        self.create(readings, variant)
        self.session.query("INSERT INTO db.t SELECT sensor, probe, fromUnixTimestamp64Milli(intDiv(us, 1000), 'UTC'), "
                           f"{', '.join(readings.channels)} FROM Python(rows)")
        os.sync()
        return time.perf_counter() - begun

    def optimise(self, folder, variant):
        self.session.query("OPTIMIZE TABLE db.t FINAL")
        os.sync()

    def numbers(self, sql):
        return np.loadtxt(io.StringIO(str(self.session.query(sql, "CSV"))), delimiter=",", ndmin=2)

    def totals(self, folder, variant, channels):
        sums = "".join(f", sum({name})" for name in channels)
        text = str(self.session.query(f"SELECT count(){sums} FROM db.t", "TSV"))
        self.bytes = int(str(self.session.query(
            "SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = 'db' AND table = 't'", "TSV")))
        return dict(zip(["rows", *channels], map(int, text.split())))

    def size(self, folder, variant):
        return self.bytes

    def questions(self, folder, variant, target):
        self.open(folder)

        def stamp(us):
            return f"fromUnixTimestamp64Milli(toInt64({us // 1000}), 'UTC')"

        statements = {
            "q1": "SELECT toUnixTimestamp64Milli(ts), power, pf, voltage FROM db.t "
            f"WHERE sensor = {target.sensor} AND probe = {target.probe} "
            f"AND ts >= {stamp(target.from_us)} AND ts < {stamp(target.to_us)} ORDER BY ts",
            "q2": "SELECT probe, toUnixTimestamp(toStartOfMinute(ts)) m, avg(power), min(power), max(power) FROM db.t "
            f"WHERE sensor = {target.sensor} GROUP BY 1, 2 ORDER BY 1, 2",
            "q3": "SELECT sum(power), avg(power), min(power), max(power), avg(voltage) FROM db.t",
            "q4": "SELECT sensor, toUnixTimestamp(toStartOfFiveMinutes(ts)) b, avg(power) FROM db.t GROUP BY 1, 2",
            "q5": "SELECT sensor, probe, argMax(power, ts), argMax(pf, ts), argMax(voltage, ts) FROM db.t "
            "GROUP BY 1, 2",
            "q6": "SELECT count() FROM db.t WHERE power > 3000 AND pf < 900",
            "q7": "SELECT sensor, quantileExactInclusive(0.99)(power) FROM db.t GROUP BY 1 ORDER BY 1",
        }

        def columns(answer):
            return list(np.loadtxt(io.StringIO(answer), delimiter=",", ndmin=2).T)

        return {name: (lambda sql=sql: str(self.session.query(sql, "CSV")), columns)
                for name, sql in statements.items()}

    def open_stream(self, folder, frames):
        self.files, self.count = empty(f"{folder}/frames"), 0
        self.open(folder)
        self.create(frames[0], self.variants[0], "SETTINGS fsync_after_insert = 1, fsync_part_directory = 1")
        self.kinds = {name: "<i2" if frames[0].fits16(name) else "<i4" for name in frames[0].channels}

        def commit(path):
            self.session.query(f"INSERT INTO db.t FROM INFILE '{path}' FORMAT RowBinary")

        return lambda: commit

    def prepare(self, frame):
        """A file of RowBinary: the embedded engine has no second connection to take bytes from."""
        rows = np.empty(frame.rows, [("sensor", "<u2"), ("probe", "u1"), ("us", "<i8"), *self.kinds.items()])
        for name, column in frame.columns().items():
            rows[name] = column
        rows["us"] //= 1000
        path = f"{self.files}/{self.count}.bin"
        self.count += 1
        rows.tofile(path)
        return path

    def streamed_rows(self):
        return int(self.numbers("SELECT count() FROM db.t")[0, 0])

    def close(self):
        if self.session is not None:
            self.session.close()
        self.session = None
