"""PostgreSQL of Debian: COPY into a plain table, a B-tree or BRIN index over (sensor, probe, ts)."""
import glob
import io
import os
import pwd
import subprocess
import time

import numpy as np

from ..peer import Peer, empty
from ..server import free_port

SETTINGS = ("listen_addresses=127.0.0.1 unix_socket_directories= shared_buffers=2GB max_wal_size=16GB "
            "maintenance_work_mem=1GB work_mem=256MB wal_level=minimal max_wal_senders=0 "
            "checkpoint_timeout=30min effective_cache_size=8GB").split()
INDEXES = {"B-tree": "CREATE UNIQUE INDEX key ON t(sensor, probe, ts)",
           "BRIN": "CREATE INDEX key ON t USING brin(sensor, probe, ts) WITH (pages_per_range = 16)"}


class Engine(Peer):
    title = "PostgreSQL"
    modules = ("psycopg2",)
    packages = ("postgresql-15",)
    variants = tuple(INDEXES)
    durability = "synchronous_commit on: synced before the acknowledgement"
    counted = "table and index after VACUUM"
    connections = 2
    folder = None

    def version(self):
        return subprocess.run([f"{self.programs()}/postgres", "--version"], capture_output=True, text=True,
                              check=True).stdout.split()[2]

    @staticmethod
    def programs():
        return sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]

    @staticmethod
    def run(*command):
        """As postgres where we are root, which the server refuses to be."""
        as_user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        subprocess.run([*as_user, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)

    def start(self, folder, fresh):
        store = f"{folder}/store"
        if fresh:
            empty(store)
            if os.getuid() == 0:
                user = pwd.getpwnam("postgres")
                os.chown(store, user.pw_uid, user.pw_gid)
            os.chmod(store, 0o700)
            self.run(f"{self.programs()}/initdb", "-D", store, "-A", "trust", "-U", "postgres", "--no-locale",
                     "-E", "UTF8")
        self.port = free_port()
        options = " ".join(f"-c {setting}" for setting in [*SETTINGS, f"port={self.port}"])
        self.run(f"{self.programs()}/pg_ctl", "-D", store, "-w", "-t", "300", "-o", options, "-l", f"{store}/log",
                 "start")
        self.folder = folder
        self.cursor = self.connect()

    def connect(self):
        import psycopg2

        connection = psycopg2.connect(host="127.0.0.1", port=self.port, user="postgres", dbname="postgres")
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute("SET timezone = 'UTC'")
        return cursor

    @staticmethod
    def create(channels):
        names = "".join(f", {name} int NOT NULL" for name in channels)
        return f"CREATE TABLE t(ts timestamptz NOT NULL, sensor smallint NOT NULL, probe smallint NOT NULL{names})"

    @staticmethod
    def csv(readings):
        import pyarrow
        import pyarrow.csv

        columns = readings.columns()
        us = columns.pop("us")
        rows = pyarrow.table({"ts": pyarrow.array(us.view("datetime64[us]")), **columns})
        out = io.BytesIO()
        pyarrow.csv.write_csv(rows, out, pyarrow.csv.WriteOptions(include_header=False))
        out.seek(0)
        return out

    def load(self, readings, folder, variant):
        """COPY in the transaction of the CREATE, then the index."""
        text = self.csv(readings)
        self.start(folder, True)
        begun = time.perf_counter()
        self.cursor.execute("BEGIN")
        self.cursor.execute(self.create(readings.channels))
        self.cursor.copy_expert("COPY t FROM STDIN (FORMAT csv, FREEZE)", text, 1 << 20)
        self.cursor.execute("COMMIT")
        self.cursor.execute(INDEXES[variant])
        self.cursor.execute("CHECKPOINT")
        return time.perf_counter() - begun

    def optimise(self, folder, variant):
        self.cursor.execute("VACUUM ANALYZE t")

    def totals(self, folder, variant, channels):
        sums = "".join(f", sum({name})" for name in channels)
        self.cursor.execute(f"SELECT count(*){sums} FROM t")
        row = self.cursor.fetchone()
        self.cursor.execute("SELECT pg_total_relation_size('t')")
        self.bytes = self.cursor.fetchone()[0]
        return dict(zip(["rows", *channels], map(int, row)))

    def size(self, folder, variant):
        return self.bytes

    def questions(self, folder, variant, target):
        self.start(folder, False)

        def stamp(us):
            return f"to_timestamp({us / 1e6:.3f})"

        statements = {
            "q1": "SELECT extract(epoch FROM ts), power, pf, voltage FROM t "
            f"WHERE sensor = {target.sensor} AND probe = {target.probe} "
            f"AND ts >= {stamp(target.from_us)} AND ts < {stamp(target.to_us)} ORDER BY ts",
            "q2": "SELECT probe, extract(epoch FROM date_trunc('minute', ts)), avg(power), min(power), max(power) "
            f"FROM t WHERE sensor = {target.sensor} GROUP BY 1, 2",
            "q3": "SELECT sum(power), avg(power), min(power), max(power), avg(voltage) FROM t",
            "q4": "SELECT sensor, extract(epoch FROM date_bin('5 minutes', ts, '2026-01-01')), avg(power) FROM t "
            "GROUP BY 1, 2",
            "q5": f"SELECT s, p, x.* FROM generate_series(0, {target.sensors - 1}) s, "
            f"generate_series(0, {target.probes - 1}) p, LATERAL (SELECT power, pf, voltage FROM t "
            "WHERE sensor = s AND probe = p ORDER BY ts DESC LIMIT 1) x",
            "q6": "SELECT count(*) FROM t WHERE power > 3000 AND pf < 900",
            "q7": "SELECT sensor, percentile_cont(0.99) WITHIN GROUP (ORDER BY power) FROM t GROUP BY 1",
        }

        def run(sql):
            self.cursor.execute(sql)
            return self.cursor.fetchall()

        def columns(answer):
            return list(np.array(answer, np.float64).T)

        return {name: (lambda sql=sql: run(sql), columns) for name, sql in statements.items()}

    def prepare(self, frame):
        return self.csv(frame)

    def open_stream(self, folder, frames):
        self.start(folder, True)
        self.cursor.execute(self.create(frames[0].channels))
        self.cursor.execute(INDEXES["B-tree"])

        def connect():
            cursor = self.connect()
            return lambda payload: cursor.copy_expert("COPY t FROM STDIN (FORMAT csv)", payload)

        return connect

    def streamed_rows(self):
        self.cursor.execute("SELECT count(*) FROM t")
        return self.cursor.fetchone()[0]

    def close(self):
        if self.folder is not None:
            self.run(f"{self.programs()}/pg_ctl", "-D", f"{self.folder}/store", "-w", "-m", "fast", "stop")
        self.folder = None
