#!/usr/bin/env python3
"""R1, R6, R7 with a real process: a writer is struck at one of its system calls, the store is opened
again and must hold what was acknowledged, whole, and nothing that was never sent.

usage: crash.py FAULTS [POINTS] [RESULTS]   FAULTS: the built executable
"""
import collections
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

BATCHES = 64
ACTIONS = ["kill-before", "kill-after", "torn=9", "torn=4096", "short=5", "errno=4",
           "errno=5", "errno=28", "errno=122", "errno=27", "errno=5,sticky", "errno=28,sticky"]
# Of an opening and of reading all, with reads among the calls that count.
READ_ACTIONS = ["short=5", "short=600", "errno=4", "errno=5", "errno=5,sticky"]
HERE = pathlib.Path(__file__).resolve().parent


def compile_shim(folder):
    shim = folder / "shim.so"
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", shim, HERE / "shim.c", "-ldl"], check=True)
    return shim


def environment(shim, fault, **more):
    return dict(os.environ, LD_PRELOAD=str(shim), TSQ_FAULT=fault, SWIFT_BACKTRACE="enable=no", **more)


def write(faults, store, shim, fault, **more):
    shutil.rmtree(store, ignore_errors=True)
    return subprocess.run([faults, "write", store, str(BATCHES)], capture_output=True, text=True,
                          timeout=60, env=environment(shim, fault, **more))


def acknowledged(text):
    return {int(number) for number in re.findall(r"^ACK (\d+)$", text, re.M)}


def check(faults, store, acked):
    """Nothing when all is well, else what is wrong."""
    found = subprocess.run([faults, "read", store], capture_output=True, text=True, timeout=60)
    have = re.search(r"^HAVE(.*)$", found.stdout, re.M)
    if found.returncode != 0 or not have:
        return f"exit {found.returncode}: {found.stdout[:300]} {found.stderr[:300]}"
    there = {int(word) for word in have[1].split()}
    lost, never = acked - there, there - set(range(1, max(acked, default=0) + 2))
    if lost:
        return f"acknowledged and lost: {sorted(lost)}"
    if never:
        return f"there and never sent: {sorted(never)}"
    return None


def strike(faults, folder, shim, point, action):
    store = str(folder / f"{action.replace('=', '-').replace(',', '-')}-{point}")
    ran = write(faults, store, shim, f"{store}:{point}:{action}")
    acked = acknowledged(ran.stdout)
    wrong = None
    if "Fatal error" in ran.stderr or ran.returncode in (-4, -5, -11, 132, 133, 139):
        wrong = f"trapped: {ran.stderr[:300]}"
    elif action in ("short=5", "errno=4") and ran.returncode != 0:
        # Neither is an error: the loop goes on. A create or sync that is interrupted may be one.
        wrong = None if action == "errno=4" else f"a short write ended it: {ran.stdout[-200:]}"
    wrong = wrong or (check(faults, store, acked) if os.path.isdir(store) else (acked and "no store") or None)
    shutil.rmtree(store, ignore_errors=True)
    return ran.returncode, wrong


def strike_reader(faults, folder, shim, whole, acked, point, action):
    """A reader of a good store is struck at one of its calls, reads among them."""
    store = str(folder / f"read-{action.replace('=', '-').replace(',', '-')}-{point}")
    shutil.copytree(whole, store)
    ran = subprocess.run([faults, "read", store], capture_output=True, text=True, timeout=60,
                         env=environment(shim, f"{store}:{point}:{action}", TSQ_READS="1"))
    have = re.search(r"^HAVE(.*)$", ran.stdout, re.M)
    there = {int(word) for word in have[1].split()} if have else set()
    wrong = None
    if "Fatal error" in ran.stderr or ran.returncode in (-4, -5, -11, 132, 133, 139):
        wrong = f"trapped: {ran.stderr[:300]}"
    elif ran.returncode == 0 and there != acked:
        wrong = f"batches lost in silence: {sorted(acked - there)}"
    elif action.startswith("short") and ran.returncode != 0:
        wrong = f"a short call ended it: {ran.stdout[-200:]}"
    elif "sticky" not in action:
        wrong = check(faults, store, acked)
    shutil.rmtree(store, ignore_errors=True)
    return ran.returncode, wrong


def read_points(faults, folder, shim, store):
    """All calls of an opening and a reading, in no order that favours the first ones."""
    copy = str(folder / "reads")
    shutil.copytree(store, copy)
    subprocess.run([faults, "read", copy], check=True, capture_output=True, timeout=60,
                   env=environment(shim, f"{copy}:0:none", TSQ_READS="1", TSQ_COUNT=str(folder / "calls")))
    calls = int((folder / "calls").read_text())
    points = [(point, action) for action in READ_ACTIONS for point in range(1, calls + 1)]
    return sorted(points, key=lambda point: hash((point[0] * 7919 % 1009, READ_ACTIONS.index(point[1]))))


def main():
    faults = sys.argv[1]
    wanted = int(sys.argv[2]) if len(sys.argv) > 2 else 2000
    started = time.time()
    with tempfile.TemporaryDirectory(prefix="tsq-crash-") as name:
        folder = pathlib.Path(name)
        shim = compile_shim(folder)
        store = str(folder / "count")
        ran = write(faults, store, shim, f"{store}:0:none", TSQ_COUNT=str(folder / "calls"))
        if ran.returncode != 0:
            sys.exit(f"the writer fails without a fault: {ran.stdout} {ran.stderr}")
        calls = int((folder / "calls").read_text())
        all_points = [(point, action) for action in ACTIONS for point in range(1, calls + 1)]
        # Evenly over all calls and actions.
        step = max(1.0, len(all_points) / wanted)
        points = [all_points[int(index * step)] for index in range(min(wanted, len(all_points)))]
        reads_points = read_points(faults, folder, shim, store)
        whole, acked = folder / "count", acknowledged(ran.stdout)
        codes, failures = collections.Counter(), []
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            futures = {pool.submit(strike, faults, folder, shim, *point): point for point in points}
            futures |= {pool.submit(strike_reader, faults, folder, shim, whole, acked, *point): point
                        for point in reads_points[:wanted // 8]}
            for future in concurrent.futures.as_completed(futures):
                point, action = futures[future]
                code, wrong = future.result()
                codes[code] += 1
                if wrong:
                    failures.append((point, action))
                    print(f"  call {point} {action}: {wrong}")
    seconds = int(time.time() - started) + 1
    print(f"{'FAIL' if failures else 'PASS'} R1 real-process: {len(futures)} points of {calls} calls x "
          f"{len(ACTIONS)} actions and of a reader, {len(failures)} failures, exits {dict(codes)}, {seconds} s")
    if len(sys.argv) > 3:
        with open(sys.argv[3], "a") as results:
            results.write("\t".join([
                "R1", "real-process", "a real process killed, torn, short or refused at its system calls, reads among them (shim)",
                str(len(futures)), str(len(failures)), str(seconds)]) + "\n")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
