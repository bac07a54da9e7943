"""The real measurements import, and sums per sensor and day equal those computed from the CSV here.

usage: real_data.py TSQ
Looks in TSQ_REAL_DATA, else ../shared/data beside the checkout; says so when it skips.
"""
import collections
import csv
import glob
import gzip
import os
import subprocess
import sys
import tempfile

DAY_MS = 86_400_000
COLUMNS = ("power", "pf", "voltage")


def expected(path):
    """(sensor, probe, day) -> rows, then count and sum of each column."""
    sums = collections.defaultdict(lambda: [0] + [0, 0] * len(COLUMNS))
    with gzip.open(path, "rt", newline="") as file:
        for row in csv.DictReader(file):
            entry = sums[row["sensor_id"], int(row["probe_id"]), int(row["timestamp_ms"]) // DAY_MS]
            entry[0] += 1
            for index, name in enumerate(COLUMNS):
                if row[name] != "":
                    entry[1 + 2 * index] += 1
                    entry[2 + 2 * index] += int(row[name])
    return dict(sums)


def answered(tsq, store):
    columns = ", ".join(f"count({name}), coalesce(sum({name}), 0)" for name in COLUMNS)
    sql = (
        "SELECT sensor, probe, extract(epoch FROM date_trunc('day', ts)) AS day, count(*), "
        f"{columns} FROM power GROUP BY 1, 2, 3"
    )
    out = subprocess.run(
        [tsq, "query", "--store", store, "--format", "csv", sql], check=True, capture_output=True, text=True
    ).stdout
    rows = list(csv.reader(out.splitlines()))[1:]
    return {(row[0], int(row[1]), int(float(row[2])) // 86_400): [int(cell) for cell in row[3:]] for row in rows}


def main():
    tsq = sys.argv[1]
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
    folder = os.environ.get("TSQ_REAL_DATA", os.path.join(root, "../shared/data"))
    files = [path for path in sorted(glob.glob(f"{folder}/*.csv.gz")) if "native" not in path]
    if not files:
        print("SKIP real data: none found (TSQ_REAL_DATA names its folder)")
        return
    for path in files:
        name = os.path.basename(path)
        with tempfile.TemporaryDirectory() as work:
            store = os.path.join(work, "store")
            command = [tsq, "import", "--store", store, "--table", "power", path]
            subprocess.run(command, check=True, capture_output=True)
            want = expected(path)
            for state in ("imported", "imported twice", "compacted"):
                if state == "imported twice":
                    subprocess.run(command, check=True, capture_output=True)
                if state == "compacted":
                    subprocess.run([tsq, "compact", "--store", store], check=True, capture_output=True)
                got = answered(tsq, store)
                if got != want:
                    wrong = [key for key in set(want) | set(got) if want.get(key) != got.get(key)]
                    key = sorted(wrong, key=str)[0]
                    print(f"FAIL {name} {state}: {key}: expected {want.get(key)}, got {got.get(key)}")
                    sys.exit(1)
        print(f"ok {name}: {sum(entry[0] for entry in want.values())} rows, {len(want)} sensor days")


main()
