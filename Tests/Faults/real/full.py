#!/usr/bin/env python3
"""R6 on a real full disk: a tmpfs runs full under a writer, which must say so, go on being readable,
and resume by itself within 5 s of room coming back.

usage: full.py FAULTS [RESULTS]   needs root
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from crash import acknowledged, check  # noqa: E402

SIZES = [300, 360, 420, 480, 560, 640]


def one(faults, mount, kilobytes):
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", mount], check=True)
    try:
        ballast = mount / "ballast"
        ballast.write_bytes(b"x" * (kilobytes * 1024 // 3))
        writer = subprocess.Popen([faults, "write", str(mount / "store"), "120", "--patient"],
                                  stdout=subprocess.PIPE, text=True)
        lines, freed, resumed = [], None, None
        for line in writer.stdout:
            lines.append(line)
            if line.startswith("FULL") and freed is None:
                subprocess.run(["mount", "-o", f"remount,size={kilobytes * 20}k", mount], check=True)
                freed = time.time()
            if line.startswith("RESUMED") and resumed is None:
                resumed = time.time()
        writer.wait()
        text = "".join(lines)
        if writer.returncode != 0:
            return freed, f"exit {writer.returncode}: {text[-300:]}"
        if freed is not None and (resumed is None or resumed - freed > 5):
            return freed, "did not resume within 5 s"
        return freed, check(faults, str(mount / "store"), acknowledged(text))
    finally:
        subprocess.run(["umount", "-l", mount])


def main():
    if os.geteuid() != 0:
        sys.exit("a tmpfs needs root: NOT RUN")
    started, failures, filled = time.time(), 0, 0
    with tempfile.TemporaryDirectory(prefix="tsq-full-") as name:
        for kilobytes in SIZES:
            freed, wrong = one(sys.argv[1], pathlib.Path(name), kilobytes)
            filled += freed is not None
            if wrong:
                failures += 1
                print(f"  {kilobytes} KiB: {wrong}")
    if filled == 0:
        failures += 1
        print("  no disk ran full")
    seconds = int(time.time() - started) + 1
    print(f"{'FAIL' if failures else 'PASS'} R6 real-full-disk: {len(SIZES)} disks, {filled} ran full, {failures} failures, {seconds} s")
    if len(sys.argv) > 2:
        with open(sys.argv[2], "a") as results:
            results.write("\t".join([
                "R6", "real-full-disk", "a tmpfs runs full under a writer, which resumes by itself within 5 s",
                str(filled), str(failures), str(seconds)]) + "\n")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
