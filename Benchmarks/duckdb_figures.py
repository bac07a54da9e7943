"""The same data, loads and queries in DuckDB, beside the figures of tsq from the same run.

usage: duckdb_figures.py DATA_DIR TSQ_FIGURES.json WORK_DIR
DATA_DIR holds power.npy, pf.npy and voltage.npy (sensors, probes, ticks) as `tsq bench --data` writes them.
"""
import json
import os
import statistics
import sys
import time

import duckdb
import numpy as np
import pyarrow as pa

BASE_US = 1_767_225_600_000_000
STEP_US = 50_000
DDL = "CREATE TABLE t(sensor USMALLINT, probe UTINYINT, ts TIMESTAMP, power INTEGER, pf INTEGER, voltage INTEGER)"
INSERT = "INSERT INTO t SELECT sensor, probe, make_timestamp(us), power, pf, voltage FROM "


def batch(arrays, first, last):
    """Rows of ticks first ..< last of all series, as one Arrow table sorted by (sensor, probe, ts)."""
    sensors, probes, _ = arrays["power"].shape
    ticks = last - first
    us = BASE_US + STEP_US * np.arange(first, last, dtype=np.int64)
    columns = {
        "sensor": np.repeat(np.arange(sensors, dtype=np.uint16), probes * ticks),
        "probe": np.tile(np.repeat(np.arange(probes, dtype=np.uint8), ticks), sensors),
        "us": np.tile(us, sensors * probes),
    }
    for name, values in arrays.items():
        columns[name] = np.ascontiguousarray(values[:, :, first:last]).ravel()
    return pa.table(columns)


def median_ms(run, repeats=5):
    run()
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        run()
        times.append((time.perf_counter() - begun) * 1e3)
    return statistics.median(times)


def load(arrays, path):
    ticks = arrays["power"].shape[2]
    readings = batch(arrays, 0, ticks)
    begun = time.perf_counter()
    connection = duckdb.connect(path)
    connection.execute(DDL)
    connection.execute(INSERT + "readings")
    connection.execute("CHECKPOINT")
    connection.close()
    os.sync()
    values = arrays["power"].size * 3
    return values / (time.perf_counter() - begun), os.path.getsize(path) * 8 / values


def stream(arrays, path, seconds):
    """One autocommit INSERT a second of all sensors; the write-ahead log is synced by each commit."""
    batches = [batch(arrays, second * 20, second * 20 + 20) for second in range(seconds)]
    connection = duckdb.connect(path)
    connection.execute(DDL)
    times = []
    begun = time.perf_counter()
    for rows in batches:
        at = time.perf_counter()
        connection.execute(INSERT + "rows")
        times.append(time.perf_counter() - at)
    elapsed = time.perf_counter() - begun
    connection.close()
    values = sum(rows.num_rows for rows in batches) * 3
    times.sort()
    return values / elapsed, times[int(len(times) * 0.99)] * 1e3


def queries(path, arrays):
    connection = duckdb.connect(path, read_only=True)
    sensor = min(5, arrays["power"].shape[0] - 1)
    start = BASE_US + arrays["power"].shape[2] // 2 * STEP_US
    stamp = lambda us: f"make_timestamp({us})"
    statements = {
        "q1": f"SELECT ts, power, pf, voltage FROM t WHERE sensor = {sensor} AND probe = 1 "
        f"AND ts >= {stamp(start)} AND ts < {stamp(start + 60_000_000)} ORDER BY ts",
        "q2": "SELECT probe, date_trunc('minute', ts) m, avg(power), min(power), max(power) FROM t "
        f"WHERE sensor = {sensor} GROUP BY 1, 2 ORDER BY 1, 2",
        "q3": "SELECT sum(power), avg(power), min(power), max(power), avg(voltage) FROM t",
        "q4": "SELECT sensor, time_bucket(INTERVAL 5 MINUTE, ts) b, avg(power) FROM t GROUP BY 1, 2",
        "q5": "SELECT sensor, probe, arg_max(power, ts), arg_max(pf, ts), arg_max(voltage, ts) FROM t GROUP BY 1, 2",
        "q6": "SELECT count(*) FROM t WHERE power > 3000 AND pf < 900",
        "q7": "SELECT sensor, quantile_cont(power, 0.99) FROM t GROUP BY 1 ORDER BY 1",
    }
    return {name: median_ms(lambda: connection.execute(sql).fetchnumpy()) for name, sql in statements.items()}


def main():
    data, figures, work = sys.argv[1:4]
    arrays = {name: np.load(f"{data}/{name}.npy", mmap_mode="r") for name in ("power", "pf", "voltage")}
    ours = json.load(open(figures))
    os.makedirs(work, exist_ok=True)
    for name in os.listdir(work):
        os.remove(f"{work}/{name}")
    peer = {}
    peer["bulk_values_per_s"], peer["bits_per_value_hot"] = load(arrays, f"{work}/bulk.db")
    seconds = min(400, arrays["power"].shape[2] // 20)
    peer["stream100_values_per_s"], peer["commit_p99_ms"] = stream(arrays, f"{work}/stream.db", seconds)
    for name, millis in queries(f"{work}/bulk.db", arrays).items():
        peer[f"{name}_ms"] = millis
    print(f"{'':26}{'tsq':>14}{'DuckDB ' + duckdb.__version__:>18}{'tsq better by':>15}")
    for name, theirs in peer.items():
        mine = ours[name]
        ratio = mine / theirs if name.endswith("per_s") else theirs / mine
        shown = [f"{value / 1e6:.2f} M" if value >= 1e6 else f"{value:.3f}" for value in (mine, theirs)]
        print(f"{name:26}{shown[0]:>14}{shown[1]:>18}{ratio:>14.1f}x")


main()
