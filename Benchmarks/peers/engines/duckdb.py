"""DuckDB, rows sorted by key. Its write-ahead log is synced by each commit."""
import os
import time

from ..peer import Peer

DDL = "CREATE TABLE t(sensor USMALLINT, probe UTINYINT, ts TIMESTAMP{})"


class Engine(Peer):
    title = "DuckDB"
    modules = ("duckdb", "pyarrow")
    variants = ("default",)
    durability = "write-ahead log synced before the acknowledgement"
    counted = "the database file after CHECKPOINT"
    connection = None

    def version(self):
        import duckdb

        return duckdb.__version__

    def open(self, folder, read_only=False):
        import duckdb

        self.connection = duckdb.connect(f"{folder}/t.db", read_only=read_only)
        return self.connection

    @staticmethod
    def insert(channels, source):
        return f"INSERT INTO t SELECT sensor, probe, make_timestamp(us), {', '.join(channels)} FROM {source}"

    def create(self, channels):
        self.connection.execute(DDL.format("".join(f", {name} INTEGER" for name in channels)))

    def load(self, readings, folder, variant):
        rows = readings.table()  # noqa: F841 (DuckDB finds it by its name)
        begun = time.perf_counter()
        self.open(folder)
        self.create(readings.channels)
        self.connection.execute(self.insert(readings.channels, "rows"))
        self.connection.execute("CHECKPOINT")
        self.close()
        os.sync()
        return time.perf_counter() - begun

    def totals(self, folder, variant, channels):
        sums = "".join(f", sum({name})" for name in channels)
        row = self.open(folder, True).execute(f"SELECT count(*){sums} FROM t").fetchone()
        return dict(zip(["rows", *channels], map(int, row)))

    def questions(self, folder, variant, target):
        self.open(folder, True)
        return ask(self.connection, "t", target)

    def prepare(self, frame):
        return frame.table()

    def open_stream(self, folder, frames):
        self.open(folder)
        self.create(frames[0].channels)
        statement = self.insert(frames[0].channels, "payload")

        def commit(payload):  # autocommit
            self.connection.execute(statement)

        return lambda: commit

    def streamed_rows(self):
        return self.connection.execute("SELECT count(*) FROM t").fetchone()[0]

    def close(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None


def ask(connection, source, target):
    """The seven questions in DuckDB's SQL, also for files that it reads."""
    def stamp(us):
        return f"make_timestamp({us})"

    statements = {
        "q1": f"SELECT ts, power, pf, voltage FROM {source} WHERE sensor = {target.sensor} AND probe = {target.probe} "
        f"AND ts >= {stamp(target.from_us)} AND ts < {stamp(target.to_us)} ORDER BY ts",
        "q2": f"SELECT probe, date_trunc('minute', ts) m, avg(power), min(power), max(power) FROM {source} "
        f"WHERE sensor = {target.sensor} GROUP BY 1, 2 ORDER BY 1, 2",
        "q3": f"SELECT sum(power), avg(power), min(power), max(power), avg(voltage) FROM {source}",
        "q4": f"SELECT sensor, time_bucket(INTERVAL 5 MINUTE, ts) b, avg(power) FROM {source} GROUP BY 1, 2",
        "q5": "SELECT sensor, probe, arg_max(power, ts), arg_max(pf, ts), arg_max(voltage, ts) "
        f"FROM {source} GROUP BY 1, 2",
        "q6": f"SELECT count(*) FROM {source} WHERE power > 3000 AND pf < 900",
        "q7": f"SELECT sensor, quantile_cont(power, 0.99) FROM {source} GROUP BY 1 ORDER BY 1",
    }

    def columns(answer):
        return list(answer.values())

    return {name: (lambda sql=sql: connection.execute(sql).fetchnumpy(), columns) for name, sql in statements.items()}
