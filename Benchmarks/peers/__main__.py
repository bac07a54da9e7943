"""The run: tsq first, then each peer in a process of its own, all on the same data."""
import argparse
import datetime
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile

from . import dataset, engines, install, report
from .ours import Tsq, real_folder

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MEASURES = ("bulk", "stream", "size", "queries", "real")
DOCUMENT = "Docs/BENCHMARKS.md"


def names(known):
    def parse(text):
        found = text.split(",")
        for name in found:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(known)}")
        return found
    return parse


def options():
    parser = argparse.ArgumentParser(
        prog="Scripts/peers", description="tsq beside its peers: the same data, loads and questions, all in one run.")
    parser.add_argument("--peers", type=names(engines.NAMES), default=list(engines.NAMES), metavar="A,B",
                        help=f"which ones (all: {','.join(engines.NAMES)})")
    parser.add_argument("--measures", type=names(MEASURES), default=list(MEASURES), metavar="A,B",
                        help=f"which ones (all: {','.join(MEASURES)})")
    parser.add_argument("--real", type=names(dataset.REAL_SETS), default=list(dataset.REAL_SETS), metavar="A,B",
                        help=f"which real sets (all: {','.join(dataset.REAL_SETS)})")
    parser.add_argument("--quick", action="store_true", help="10 sensors x 10 minutes rather than 100 x 1 hour")
    parser.add_argument("--limit", type=int, default=1800, metavar="SECONDS", help="of one peer (1800)")
    parser.add_argument("--tsq", default=f"{ROOT}/.build/release/tsq", metavar="FILE", help="the program to measure")
    parser.add_argument("--work", metavar="DIR", help="keep the benchmark set and tsq's figures here, and, where only "
                        "sizes are asked for, take them from there")
    parser.add_argument("--json", metavar="FILE", help="also write the result as JSON")
    parser.add_argument("--write", action="store_true", help=f"write the tables into {DOCUMENT}")
    parser.add_argument("--note", help="a word on the machine's state, told with the tables")
    return parser.parse_args()


def machine():
    with open("/proc/cpuinfo") as file:
        model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    return f"{os.cpu_count()} x {model}, {memory:.0f} GiB, Linux {platform.release().split('-')[0]}"


def say(text):
    print(text, file=sys.stderr, flush=True)


def our_benchmark(tsq, given, work):
    kept = f"{work}/tsq.json"
    if not {"bulk", "stream", "queries"} & set(given.measures) and os.path.exists(kept):
        with open(kept) as file:
            return json.load(file)
    return tsq.bench(f"{work}/data", work, given.quick)


def our_real(tsq, given, work):
    folder, found = real_folder(ROOT), {}
    if not folder:
        say("skipped: the real sets are not here (set TSQ_REAL_DATA to their folder)")
        return None, found
    for name in given.real:
        readings = dataset.real(folder, name)
        say(f"  tsq: {name}, {readings.values} values")
        found[name] = {"values": readings.values, "rows": readings.rows, "channels": len(readings.channels),
                       "forms": tsq.real(readings, dataset.REAL_SETS[name][1], work)}
    return os.path.abspath(folder), found


def measure(name, job, limit, work):
    """One peer in its own process; what it has measured survives its death."""
    job_path, result_path = f"{work}/job.json", f"{work}/{name}.json"
    with open(job_path, "w") as file:
        json.dump({**job, "peer": name}, file)
    ended = None
    process = subprocess.Popen([sys.executable, "-m", "peers.worker", job_path, result_path], start_new_session=True,
                               env={**os.environ, "PYTHONPATH": f"{ROOT}/Benchmarks"}, stdout=sys.stderr)
    try:
        if process.wait(limit):
            ended = f"its process ended with {process.returncode}"
    except subprocess.TimeoutExpired:
        ended = f"not done within {limit} s"
    except BaseException:
        end(process)
        raise
    end(process)
    result = {"peer": name, "title": engines.peer(name).title, "failures": [], "durability": "", "counted": ""}
    if os.path.exists(result_path):
        with open(result_path) as file:
            result |= json.load(file)
    if ended:
        result["failures"].append(ended)
    shutil.rmtree(f"{work}/{name}", ignore_errors=True)
    return result


def end(process):
    """Asks the process to end its servers and itself; then ends what is left of its session."""
    process.terminate()
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        pass
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def main():
    given = options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if not os.path.exists(given.tsq):
        sys.exit(f"{given.tsq} is not there: build it with `make build`")
    install.install(given.peers, ROOT)
    work = os.path.abspath(given.work) if given.work else tempfile.mkdtemp(prefix="tsq-peers-")
    os.makedirs(work, exist_ok=True)
    os.chmod(work, 0o755)  # PostgreSQL works here as its own user
    tsq = Tsq(given.tsq)
    try:
        result = {"run": {"date": datetime.date.today().isoformat(), "machine": machine(), "measures": given.measures,
                          "tsq": tsq.version().removeprefix("tsq "), "note": given.note}, "tsq": {}, "real": {}}
        real = None
        if set(given.measures) != {"real"}:
            result["tsq"] = our_benchmark(tsq, given, work)
            result["run"] |= {key: result["tsq"][key] for key in ("sensors", "seconds")}
        if "real" in given.measures:
            real, result["real"] = our_real(tsq, given, work)
        job = {"folder": work, "data": f"{work}/data", "real": real, "real_sets": list(result["real"]),
               "measures": given.measures}
        result["peers"] = [measure(name, job, given.limit, work) for name in given.peers]
    finally:
        if not given.work:
            shutil.rmtree(work, ignore_errors=True)
    for part in report.parts(result).values():
        print(part)
    lost = report.lost(result)
    if lost:
        print("Larger than a peer:\n" + "\n".join(f"- {line}" for line in lost))
    elif "size" in given.measures or result["real"]:
        print("Nowhere larger than a peer.")
    if given.json:
        with open(given.json, "w") as file:
            json.dump(result, file, indent=1)
    if given.write:
        report.write(f"{ROOT}/{DOCUMENT}", result)
    if result["tsq"] and not result["tsq"]["answers_right"]:
        sys.exit("tsq gave wrong answers")


main()
