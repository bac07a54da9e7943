"""tsq's side of the run: `tsq bench` for the benchmark set, `tsq import` and `tsq compact` for the real ones."""
import csv
import json
import os
import shutil
import subprocess

from . import dataset

FORMS = {"as imported": None, "packed": "--packed", "cold": "--cold"}


class Tsq:
    def __init__(self, program):
        self.program = program

    def run(self, *arguments):
        done = subprocess.run([self.program, *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"tsq {' '.join(arguments)}: {done.stderr.strip()[-500:]}")
        return done.stdout

    def version(self):
        return self.run("--version").strip()

    def bench(self, data, work, quick):
        """Makes the benchmark set and measures tsq on it. -> the figures of `tsq bench --json`"""
        path = f"{work}/tsq.json"
        os.makedirs(data, exist_ok=True)
        options = ["--quick"] if quick else []
        subprocess.run([self.program, "bench", *options, "--data", data, "--json", path], check=True)
        with open(path) as file:
            return json.load(file)

    def real(self, readings, span, work):
        """Bits a value of one real set in each form: the bytes of the data segments, keys, times and index included."""
        folder = f"{work}/tsq-real"
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        source, store = f"{folder}/readings.csv", f"{folder}/store"
        with open(source, "w", newline="") as file:
            lines = csv.writer(file)
            lines.writerow(["timestamp_ms", "sensor_id", "probe_id", *readings.channels])
            lines.writerows(zip(*(column.tolist() for column in (
                readings.us // 1000, readings.sensor, readings.probe, *readings.channels.values()))))
        taken = self.run("import", "--table", "power", "--span", span, "--store", store, source)
        found = {}
        for form, option in FORMS.items():
            if option:
                self.run("compact", option, "--store", store)
            stats = json.loads(self.run("stats", "--store", store, "--format", "json"))[0]
            if stats["sealed_rows"] != readings.rows:
                raise RuntimeError(f"tsq holds {stats['sealed_rows']} rows of {readings.name}, was given "
                                   f"{readings.rows}: {taken.strip()}")
            found[form] = {"bytes": stats["data_bytes"], "bits_per_value": stats["data_bytes"] * 8 / readings.values}
            self.check(readings, store)
        shutil.rmtree(folder)
        return found

    def check(self, readings, store):
        sums = "".join(f", sum({name})" for name in readings.channels)
        text = self.run("query", "--store", store, "--format", "csv", f"SELECT count(*){sums} FROM power")
        found = dict(zip(readings.totals, map(float, text.split("\n")[1].split(","))))
        if found != readings.totals:
            raise RuntimeError(f"tsq answers {found} for {readings.name}, was given {readings.totals}")


def real_folder(root):
    """Where the real sets are, or None."""
    for folder in (os.environ.get("TSQ_REAL_DATA"), f"{root}/../shared/data"):
        if folder and os.path.exists(f"{folder}/{dataset.REAL_SETS['mlperf'][0]}"):
            return folder
    return None
