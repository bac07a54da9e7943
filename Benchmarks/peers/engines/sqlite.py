"""SQLite by Python's module: a row a reading, WITHOUT ROWID, write-ahead log."""
import os
import sqlite3
import time

import numpy as np

from ..peer import Peer


class Engine(Peer):
    title = "SQLite"
    variants = ("WITHOUT ROWID",)
    durability = "WAL, synchronous = FULL: synced before the acknowledgement"
    counted = "the database file after VACUUM"
    connection = None

    def version(self):
        return sqlite3.sqlite_version

    def open(self, folder):
        self.connection = sqlite3.connect(f"{folder}/t.db", isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "cache_size = -1000000", "mmap_size = 4000000000"):
            self.connection.execute(f"PRAGMA {pragma}")
        return self.connection

    def create(self, channels):
        names = "".join(f", {name} INTEGER" for name in channels)
        self.connection.execute(f"CREATE TABLE t(sensor INTEGER, probe INTEGER, ts INTEGER{names}, "
                                "PRIMARY KEY(sensor, probe, ts)) WITHOUT ROWID")
        self.insert = f"INSERT INTO t VALUES(?, ?, ?{', ?' * len(channels)})"

    def load(self, readings, folder, variant):
        """A transaction a series, unsynced until the end; the making of the tuples is left out."""
        self.open(folder)
        self.create(readings.channels)
        self.connection.execute("PRAGMA synchronous = OFF")
        took = 0.0
        for _, _, rows in readings.series():
            tuples = list(zip(*(column[rows].tolist() for column in self.cells(readings))))
            begun = time.perf_counter()
            self.commit(tuples)
            took += time.perf_counter() - begun
        begun = time.perf_counter()
        self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.close()
        os.sync()
        return took + time.perf_counter() - begun

    @staticmethod
    def cells(readings):
        return [readings.sensor, readings.probe, readings.us // 1000, *readings.channels.values()]

    def commit(self, tuples):
        self.connection.execute("BEGIN")
        self.connection.executemany(self.insert, tuples)
        self.connection.execute("COMMIT")

    def optimise(self, folder, variant):
        self.open(folder).execute("VACUUM")
        self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.close()

    def totals(self, folder, variant, channels):
        sums = "".join(f", sum({name})" for name in channels)
        row = self.open(folder).execute(f"SELECT count(*){sums} FROM t").fetchone()
        return dict(zip(["rows", *channels], row))

    def questions(self, folder, variant, target):
        self.open(folder)
        statements = {
            "q1": f"SELECT ts, power, pf, voltage FROM t WHERE sensor = {target.sensor} AND probe = {target.probe} "
            f"AND ts >= {target.from_us // 1000} AND ts < {target.to_us // 1000}",
            "q2": "SELECT probe, ts / 60000, avg(power), min(power), max(power) FROM t "
            f"WHERE sensor = {target.sensor} GROUP BY 1, 2",
            "q3": "SELECT sum(power), avg(power), min(power), max(power), avg(voltage) FROM t",
            "q4": "SELECT sensor, ts / 300000, avg(power) FROM t GROUP BY 1, 2",
            "q5": "WITH RECURSIVE s(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s WHERE n < "
            f"{target.sensors - 1}), p(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM p WHERE n < {target.probes - 1}) "
            "SELECT t.sensor, t.probe, power, pf, voltage FROM s, p JOIN t ON t.sensor = s.n AND t.probe = p.n "
            "AND t.ts = (SELECT max(ts) FROM t u WHERE u.sensor = s.n AND u.probe = p.n)",
            "q6": "SELECT count(*) FROM t WHERE power > 3000 AND pf < 900",
        }

        def columns(answer):
            return list(np.array(answer, np.float64).T)

        return {name: (lambda sql=sql: self.connection.execute(sql).fetchall(), columns)
                for name, sql in statements.items()}

    def prepare(self, frame):
        return list(zip(*(column.tolist() for column in self.cells(frame))))

    def open_stream(self, folder, frames):
        self.open(folder)
        self.create(frames[0].channels)
        return lambda: self.commit

    def streamed_rows(self):
        return self.connection.execute("SELECT count(*) FROM t").fetchone()[0]

    def close(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None
