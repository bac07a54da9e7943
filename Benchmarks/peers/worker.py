"""One peer's measures, in a process of its own: python -m peers.worker JOB.json RESULT.json

What fails is written down as such and does not end the rest.
"""
import json
import os
import shutil
import signal
import sys
import traceback

from . import dataset, engines, questions
from .peer import measure_questions, measure_size, measure_stream, missing


class Worker:
    def __init__(self, job, path):
        self.job, self.path, self.result = job, path, {"peer": job["peer"], "failures": []}
        self.peer = engines.peer(job["peer"])
        self.folder = f"{job['folder']}/{job['peer']}"

    def save(self):
        """After each measure: a later one may be cut short."""
        with open(self.path, "w") as file:
            json.dump(self.result, file, indent=1, default=lambda number: number.item())

    def attempt(self, what, measure):
        print(f"  {self.peer.title}: {what}", file=sys.stderr, flush=True)
        try:
            return measure()
        except Exception as error:
            traceback.print_exc()
            self.result["failures"].append(f"{what}: {type(error).__name__}: {str(error)[:200]}")
            try:
                self.peer.close()
            except Exception:
                self.peer = engines.peer(self.job["peer"])
            return None
        finally:
            self.save()

    def run(self):
        self.result |= {"title": self.peer.title, "durability": self.peer.durability, "counted": self.peer.counted}
        reason = missing(self.peer)
        if reason:
            self.result["missing"] = reason
            return self.save()
        self.result["version"] = self.peer.version()
        measures = self.job["measures"]
        if {"bulk", "size", "queries"} & set(measures):
            self.benchmark(measures)
        if "stream" in measures:
            self.stream()
        if "real" in measures:
            self.real()
        self.save()

    def benchmark(self, measures):
        fleet = dataset.Fleet(self.job["data"])
        readings = fleet.readings()
        variants = self.peer.variants if "size" in measures else self.peer.variants[:1]
        self.result["benchmark"] = sizes = {}
        for variant in variants:
            found = self.attempt(f"benchmark set, {variant}",
                                 lambda: measure_size(self.peer, readings, self.folder, variant))
            if found:
                sizes[variant] = found
            if found and variant == self.peer.variants[0] and "queries" in measures:
                self.ask(fleet, variant)
        shutil.rmtree(self.folder, ignore_errors=True)

    def ask(self, fleet, variant):
        wanted, target = questions.reference(fleet), questions.Target(fleet)
        found = self.attempt("questions", lambda: measure_questions(
            self.peer, self.folder, variant, target, wanted, questions.is_right))
        if found:
            self.result["queries"], wrong = found
            self.result["failures"] += [f"{name}: wrong answer" for name in wrong]
            for name in wrong:
                del self.result["queries"][f"{name}_ms"]

    def stream(self):
        fleet = dataset.Fleet(self.job["data"])
        seconds = min(400, fleet.seconds // 2)
        self.result["stream"] = {}
        for name, sensors in (("stream100", fleet.sensors), ("stream10", 10)):
            frames = fleet.frames(seconds, sensors)
            found = self.attempt(f"{name}: {sensors} sensors a commit",
                                 lambda: measure_stream(self.peer, frames, self.folder))
            if found:
                self.result["stream"][name] = found
        shutil.rmtree(self.folder, ignore_errors=True)

    def real(self):
        self.result["real"] = {}
        for name in self.job["real_sets"]:
            readings = dataset.real(self.job["real"], name)
            sizes = self.result["real"][name] = {}
            for variant in self.peer.variants:
                found = self.attempt(f"{name}, {variant}",
                                     lambda: measure_size(self.peer, readings, self.folder, variant))
                if found:
                    sizes[variant] = {"bytes": found["bytes"], "bits_per_value": found["bits_per_value"]}
        shutil.rmtree(self.folder, ignore_errors=True)


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    job_path, result_path = sys.argv[1:]
    with open(job_path) as file:
        job = json.load(file)
    worker, code = Worker(job, result_path), 1
    try:
        worker.run()
        code = 0
    finally:
        worker.peer.close()
        sys.stderr.flush()
        os._exit(code)  # an embedded engine may not survive the interpreter's own end


main()
