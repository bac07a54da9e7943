#!/usr/bin/env python3
"""Backup, restore and proofs from outside (R16, T-05, T-13). usage: backup.py TSQ"""
import importlib.util
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

TSQ = os.path.abspath(sys.argv[1])
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
WORK = tempfile.TemporaryDirectory(prefix="tsq-backup-")
ENV = {k: v for k, v in os.environ.items() if not k.startswith("TSQ_")}
COUNT = "SELECT count(*) AS n, sum(power) AS p, sum(voltage) AS v, min(ts) AS a, max(ts) AS b FROM power"
failures = []


def tsq(*arguments, store=None):
    place = ["--store", store] if store else []
    return subprocess.run([TSQ, *arguments, *place], capture_output=True, text=True, env=ENV, cwd=WORK.name, timeout=300)


def check(claim, holds, what=""):
    if not holds:
        failures.append(claim)
        print(f"FAIL {claim}: {what}")


def done(claim, run, code=0):
    check(claim, run.returncode == code, f"exit {run.returncode}, out {run.stdout[:300]!r}, err {run.stderr[:300]!r}")
    return run.stdout


def answer(store):
    return done("a query answers", tsq("query", COUNT, "--format", "json", store=store))


def digest(store, *arguments):
    return done("a replay gives a digest", tsq("replay", "--digest", *arguments, store=store))


def simulate(store, seconds, *arguments):
    done("readings come", tsq("simulate", "--sensors", "3", "--seconds", str(seconds), "--to", f"store:{store}", *arguments))


def lsn_of(text):
    return int(text.split("lsn ")[1].split()[0].rstrip(":,"))


def backups():
    simulate("a", 40)
    done("compact", tsq("compact", store="a"))
    first = done("a backup", tsq("backup", "monday", store="a"))
    monday, monday_digest, monday_lsn = answer("a"), digest("a"), lsn_of(first)
    time.sleep(0.1)
    done("a user", tsq("user", "create", "kim", store="a"))
    simulate("a", 80)
    second = done("an incremental backup", tsq("backup", "tuesday", "--since", "monday", store="a"))
    check("it names what monday has", " in earlier backups" in second and not second.split(", ")[2].startswith("0 files"), second)
    check("it copies less than there is", not os.path.exists(os.path.join(WORK.name, "tuesday", "data", "000001.data")))
    for name in ("monday", "tuesday"):
        check(f"{name} verifies", done("verify", tsq("verify", store=name)).endswith("whole\n"))
    done("a full one of the same moment", tsq("backup", "full", store="a"))

    done("restored", tsq("restore", "tuesday", store="b"))
    check("R16: a restored store has the same rows", answer("b") == answer("a"))
    check("and the same registry", digest("b") == digest("a"))
    check("and is whole", done("verify", tsq("verify", store="b")).endswith("whole\n"))
    done("restored to monday", tsq("restore", "tuesday", "--to", str(monday_lsn), store="c"))
    check("R16: to an LSN, rows", answer("c") == monday, (answer("c"), monday))
    check("T-05: to an LSN, the registry is the replay to it",
          digest("c") == digest("a", "--to", str(monday_lsn)) == monday_digest)
    event = json.loads(tsq("events", "--format", "ndjson", store="a").stdout.splitlines()[-1])
    before = event["recorded_at"]
    done("restored to an instant", tsq("restore", "tuesday", "--to", before[:23] + "Z", store="d"))
    check("to an instant: before the user was made", digest("d") == monday_digest, before)
    simulate("c", 5)
    check("a restored store is written to", answer("c") == monday, "the same readings are the same")

    done("a folder with anything in it is refused", tsq("restore", "monday", store="a"), 1)
    done("for a backup, too", tsq("backup", "monday", store="a"), 1)
    done("what is no backup is no source", tsq("restore", "a", store="e"), 4)
    done("an LSN beyond the backup", tsq("restore", "monday", "--to", "999999", store="e2"), 1)
    path = next(pathlib.Path(WORK.name, "monday", "data").iterdir())
    bytes_ = bytearray(path.read_bytes())
    bytes_[len(bytes_) // 2] ^= 1
    path.write_bytes(bytes_)
    done("a damaged backup is found", tsq("verify", store="monday"), 3)
    done("and not restored, not by its successor either", tsq("restore", "tuesday", store="f"), 3)
    check("nothing is there", not os.path.exists(os.path.join(WORK.name, "f", "STORE")))
    os.rename(os.path.join(WORK.name, "monday"), os.path.join(WORK.name, "lost"))
    done("a missing predecessor is told", tsq("restore", "tuesday", store="g"), 4)
    done("the full one does without", tsq("restore", "full", store="h"))
    check("and is the same", answer("h") == answer("a"))


def beside_a_writer():
    writer = subprocess.Popen(
        [TSQ, "simulate", "--sensors", "5", "--seconds", "100000", "--to", "store:w"], stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, env=ENV, cwd=WORK.name)
    try:
        deadline = time.monotonic() + 60
        while not os.path.exists(os.path.join(WORK.name, "w", "log", "000001.log")) and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(1)
        for name in ("w1", "w2"):
            done("a backup beside a writer", tsq("backup", name, store="w"))
        check("the writer goes on", writer.poll() is None)
    finally:
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    for name in ("w1", "w2"):
        lsn = lsn_of(done("restored", tsq("restore", name, store=f"{name}r")))
        check("it is one moment of the store: whole frames",
              json.loads(answer(f"{name}r"))[0]["n"] % 60 == 0, answer(f"{name}r"))
        check("its registry is the replay to that LSN", digest(f"{name}r") == digest("w", "--to", str(lsn)))


def proofs():
    spec = importlib.util.spec_from_file_location("check_proof", ROOT / "Scripts" / "check-proof.py")
    checker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(checker)
    at = "2026-01-01T00:00:07.05Z"
    wanted = ("prove", "--sensor", "gresystem000002", "--probe", "2", "--at", at)
    simulate("p", 30)
    done("what is not sealed has no proof yet", tsq(*wanted, store="p"), 1)
    done("sealed", tsq("compact", store="p"))
    done("a proof", tsq(*wanted, "-o", "proof.json", store="p"))
    path = os.path.join(WORK.name, "proof.json")
    text = pathlib.Path(path).read_bytes()
    check("T-13: a proof takes at most 4 KiB", len(text) <= 4096, len(text))
    run = subprocess.run([sys.executable, ROOT / "Scripts" / "check-proof.py", path], capture_output=True, text=True)
    check("T-13: an independent script checks it", run.returncode == 0, run)
    power = json.loads(tsq(
        "query", f"SELECT power FROM power WHERE sensor = 'gresystem000002' AND probe = 2 AND ts = '{at}'",
        "--format", "json", store="p").stdout)[0]["power"]
    nanos = 1767225607050000000
    check("and prints the reading", any(
        line.startswith(f"{nanos} ") and f"power={power} " in line + " " for line in run.stdout.splitlines()), run.stdout)
    head = json.loads(text)["head"]
    chain = [json.loads(line) for line in done("the chain", tsq("prove", "--chain", store="p")).splitlines()]
    check("the head is the chain's", head in [link["head"] for link in chain], chain)
    check("a head that is given must be the proof's", rejects(checker, path, "x" + head[1:]))

    flipped = os.path.join(WORK.name, "flipped.json")
    for index in range(len(text)):
        for bit in (1, 2, 4, 32):
            changed = bytearray(text)
            changed[index] ^= bit
            pathlib.Path(flipped).write_bytes(changed)
            check("T-13: any changed byte of a proof is found", rejects(checker, flipped), (index, bit, chr(text[index])))

    done("compacted", tsq("compact", store="p"))
    simulate("p", 60)
    done("compacted with later readings", tsq("compact", store="p"))
    check("T-13: the proof stays the same", done("again", tsq(*wanted, store="p")).encode() == text)
    done("backup", tsq("backup", "pb", store="p"))
    done("restore", tsq("restore", "pb", store="pr"))
    check("and outlives a restore", done("again", tsq(*wanted, store="pr")).encode() == text)
    event = json.loads(tsq("events", "--format", "ndjson", store="p").stdout.splitlines()[0])["lsn"]
    done("an event", tsq("prove", "--lsn", str(event), "-o", "event.json", store="p"))
    check("is proven, too", not rejects(checker, os.path.join(WORK.name, "event.json")))
    done("no such reading", tsq("prove", "--sensor", "nobody", "--at", at, store="p"), 1)
    done("usage", tsq("prove", store="p"), 2)


def rejects(checker, *arguments):
    stdout, sys.stdout = sys.stdout, open(os.devnull, "w")
    try:
        checker.main(*arguments)
        return False
    except SystemExit:
        return True
    except (ValueError, KeyError, TypeError, OSError, IndexError, AttributeError, checker.struct.error):
        return True
    finally:
        sys.stdout.close()
        sys.stdout = stdout


for group in (backups, beside_a_writer, proofs):
    group()
print(f"{len(failures)} claims failed" if failures else "backup, restore, proofs: all claims hold")
sys.exit(1 if failures else 0)
