#!/usr/bin/env python3
"""R3 on a real file system: a writer on ext4 on a disk with a volatile write cache (nbdkit), whose
power is cut. What was acknowledged must be there. The control, the same writer with its syncs taken
away (eatmydata), must fail.

usage: powercut.py FAULTS [CUTS] [RESULTS]   needs root, /dev/fuse, loop devices; nbdkit,
nbdkit-plugin-python, libnbd-bin, eatmydata, e2fsprogs
"""
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from crash import acknowledged, check  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
NEEDED = ["nbdkit", "nbdfuse", "eatmydata", "mkfs.ext4", "losetup", "fusermount3"]


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def quietly(*command):
    subprocess.run(command, capture_output=True)


def wait_for(path, seconds=10):
    end = time.time() + seconds
    while not path.exists():
        if time.time() > end:
            raise TimeoutError(f"{path} does not come")
        time.sleep(0.02)


class NotSetUp(Exception):
    """The disk or its file system did not come up: nothing was shown, and the cut is tried again."""


def one_cut(faults, folder, seed, control):
    """As `cut`, given that a loaded machine may take long to set up a disk."""
    for attempt in range(5):
        try:
            return cut(faults, folder / f"{seed}-{attempt}", seed, control)
        except NotSetUp as error:
            print(f"  cut {seed}: {error}, once more")
    raise NotSetUp(f"cut {seed}: no disk after 5 attempts")


def cut(faults, folder, seed, control):
    """The acknowledged batches, and what is wrong after the cut."""
    folder.mkdir(parents=True)
    disk, mount = folder / "nbd", folder / "mount"
    disk.mkdir()
    mount.mkdir()
    (disk / "disk").touch()
    server = subprocess.Popen(
        ["nbdfuse", str(disk / "disk"), "--command", "nbdkit", "-s", "--exit-with-parent", "python",
         str(HERE / "volatile_disk.py")],
        env=dict(os.environ, TSQ_POWER=str(folder), SEED=str(seed)), stderr=subprocess.DEVNULL)
    loop = None
    try:
        end = time.time() + 60
        while (disk / "disk").stat().st_size == 0 and time.time() < end:
            time.sleep(0.02)
        try:
            loop = run("losetup", "-f", "--show", str(disk / "disk"))
            run("mkfs.ext4", "-q", "-F", loop)
            run("mount", loop, str(mount))
            run("sync", "-f", str(mount))
        except subprocess.CalledProcessError as error:
            raise NotSetUp(error.stderr.strip()[:200]) from error
        command = (["eatmydata"] if control else []) + [faults, "write", str(mount / "store"), "100000"]
        with open(folder / "acks", "w") as acks:
            writer = subprocess.Popen(command, stdout=acks, stderr=subprocess.DEVNULL)
            end = time.time() + 30
            while "ACK" not in (folder / "acks").read_text() and writer.poll() is None and time.time() < end:
                time.sleep(0.02)
            time.sleep(0.1 + random.Random(seed).random())
            (folder / "POWER").touch()
            try:
                writer.wait(3)
            except subprocess.TimeoutExpired:
                # Nothing it does reaches the disk any more.
                writer.kill()
                writer.wait()
        # A write-back that finds the power gone, if the writer caused none.
        quietly("sync", "-f", str(mount))
        quietly("umount", str(mount))
        wait_for(folder / "after.img", 60)
    finally:
        quietly("umount", "-l", str(mount))
        if loop:
            quietly("losetup", "-d", loop)
        quietly("fusermount3", "-u", str(disk / "disk"))
        try:
            server.wait(5)
        except subprocess.TimeoutExpired:
            server.terminate()
            server.wait()
    acked = acknowledged((folder / "acks").read_text())
    try:
        run("mount", "-o", "loop", str(folder / "after.img"), str(mount))
    except subprocess.CalledProcessError as error:
        return acked, f"the file system does not mount: {error.stderr}"
    try:
        if not (mount / "store").is_dir():
            return acked, "no store" if acked else None
        return acked, check(faults, str(mount / "store"), acked)
    finally:
        quietly("umount", str(mount))


def main():
    missing = [name for name in NEEDED if not shutil.which(name)]
    if os.geteuid() != 0 or missing or not os.path.exists("/dev/fuse"):
        sys.exit(f"power cuts need root, /dev/fuse and {', '.join(missing) or 'nothing else'}: NOT RUN")
    faults = sys.argv[1]
    cuts = int(sys.argv[2]) if len(sys.argv) > 2 else 50
    started, failures, total = time.time(), 0, 0
    with tempfile.TemporaryDirectory(prefix="tsq-power-") as name:
        folder = pathlib.Path(name)
        for seed in range(1, cuts + 1):
            acked, wrong = one_cut(faults, folder / str(seed), seed, control=False)
            total += len(acked)
            if wrong or not acked:
                failures += 1
                print(f"  cut {seed}: {len(acked)} acknowledged: {wrong or 'nothing was acknowledged'}")
            shutil.rmtree(folder / str(seed), ignore_errors=True)
        acked, wrong = one_cut(faults, folder / "control", 1, control=True)
        caught = bool(acked and wrong)
        print(f"{'caught' if caught else 'MISSED'} the control without syncs: {len(acked)} acknowledged, {str(wrong)[:120]}")
    seconds = int(time.time() - started) + 1
    failures += 0 if caught else 1
    print(f"{'FAIL' if failures else 'PASS'} R3 power-cuts: {cuts} cuts of ext4, {total} acknowledged batches, "
          f"{failures} failures, {seconds} s")
    if len(sys.argv) > 3:
        with open(sys.argv[3], "a") as results:
            results.write("\t".join([
                "R3", "power-cuts", "ext4 on a disk with a volatile cache, power cut; the control without syncs fails",
                str(cuts), str(failures), str(seconds)]) + "\n")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
