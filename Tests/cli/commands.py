#!/usr/bin/env python3
"""The command line from outside: exit codes, streams, formats. usage: commands.py TSQ"""
import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

TSQ = os.path.abspath(sys.argv[1])
WORK = tempfile.TemporaryDirectory(prefix="tsq-cli-")
ENV = {k: v for k, v in os.environ.items() if not k.startswith("TSQ_")}
STORE = os.path.join(WORK.name, "store")
failures = []


def tsq(*arguments, stdin=None, env=None, cwd=None):
    return subprocess.run(
        [TSQ, *arguments], input=stdin, capture_output=True, text=True, env={**ENV, **(env or {})},
        cwd=cwd or WORK.name, timeout=120)


def check(claim, holds, what=""):
    if not holds:
        failures.append(claim)
        print(f"FAIL {claim}: {what}")


def expect(claim, result, code=0, out=None, err=None):
    what = f"exit {result.returncode}, out {result.stdout[:300]!r}, err {result.stderr[:300]!r}"
    check(claim, result.returncode == code, what)
    if out is not None:
        check(claim + " (output)", out(result.stdout), what)
    if err is not None:
        check(claim + " (message)", err in result.stderr, what)


def usage():
    expect("help is data and lists every command", tsq("--help"), out=lambda o: all(
        word in o for word in ("query", "shell", "import", "simulate", "device", "verify", "follow", "EXIT CODES")))
    commands = ["serve", "shell", "query", "import", "export", "simulate", "type", "device", "user", "token", "command",
                "tariff", "events", "replay", "verify", "salvage", "backup", "restore", "compact", "stats", "prove",
                "publish", "follow", "bench"]
    for command in commands:
        expect(f"{command} --help has an example", tsq(command, "--help"), out=lambda o: f"tsq {command}" in o and "EXAMPLE" in o)
    expect("an unknown option is a usage error", tsq("query", "--bogus"), 2, lambda o: o == "")
    expect("an unknown command is a usage error", tsq("bogus"), 2, lambda o: o == "")
    expect("what is not there says so", tsq("publish"), 2, lambda o: o == "", "not there yet")
    expect("parquet says so", tsq("query", "--format", "parquet", "SELECT 1"), 2, lambda o: o == "", "not there yet")
    expect("two places are a usage error", tsq("query", "--store", "a", "--connect", "http://b", "SELECT 1"), 2)
    expect("a store that is not there is unavailable", tsq("query", "--store", "nowhere", "SELECT 1"), 4,
           lambda o: o == "", "there is no store at nowhere")
    expect("a server that is not there is unavailable or not yet",
           tsq("simulate", "--seconds", "1", "--to", "http://127.0.0.1:1"), 4, None, "no server answers")


def simulate():
    run = tsq("simulate", "--sensors", "2", "--seconds", "30", "--to", f"store:{STORE}")
    expect("simulate prints figures", run, out=lambda o: "new=3600 same=0" in o and "p99_ms=" in o and "values_per_s=" in o)
    run = tsq("simulate", "--sensors", "2", "--seconds", "30", "--to", f"store:{STORE}")
    expect("the same seed sends the same readings (P-05)", run, out=lambda o: "new=0 same=3600" in o)
    run = tsq("simulate", "--sensors", "1", "--seconds", "5", "--seed", "2", "--to", f"store:{STORE}")
    expect("other readings for the same instants are conflicts (P-06)", run, out=lambda o: "new=0" in o and "conflict=" in o)


def queries():
    count = ("query", "SELECT count(*) AS n FROM power")
    expect("--store names the place", tsq(*count, "--store", STORE, "--format", "list"), out=lambda o: o == "3600\n")
    expect("TSQ_STORE does too", tsq(*count, "--format", "list", env={"TSQ_STORE": STORE}), out=lambda o: o == "3600\n")
    os.symlink(STORE, os.path.join(WORK.name, "tsq-data"))
    expect("so does ./tsq-data", tsq(*count, "--format", "list"), out=lambda o: o == "3600\n")

    sql = "SELECT ts, sensor, probe, power FROM power WHERE sensor = 'gresystem000001' AND probe = 1 ORDER BY ts LIMIT 3"
    rows = json.loads(tsq("query", sql, "--format", "json").stdout)
    check("json is an array of objects in column order", list(rows[0]) == ["ts", "sensor", "probe", "power"], rows)
    check("json integers are integers", isinstance(rows[0]["power"], int) and rows[0]["probe"] == 1, rows)
    check("timestamps are RFC 3339 with Z and as many digits as needed",
          [r["ts"] for r in rows] == ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.05Z", "2026-01-01T00:00:00.1Z"], rows)
    lines = tsq("query", sql, "--format", "ndjson").stdout.splitlines()
    check("ndjson is an object a line", [json.loads(line) for line in lines] == rows, lines)
    table = list(csv.DictReader(io.StringIO(tsq("query", sql, "--format", "csv").stdout)))
    check("csv reads back", [int(r["power"]) for r in table] == [r["power"] for r in rows], table)
    expect("table is plain in a pipe", tsq("query", sql), out=lambda o: "\x1b" not in o and o.splitlines()[1].startswith("-"))
    expect("nothing but data on standard output and nothing on standard error", tsq("query", sql), err="",
           out=lambda o: len(o.splitlines()) == 5)
    expect("several statements run in order", tsq("query", "SELECT 1 AS a; SELECT 2 AS b;", "--format", "list"),
           out=lambda o: o == "1\n2\n")
    expect("named parameters", tsq("query", "SELECT :a + $1 AS x", "--param", "a=2", "--param", "1=40", "--format", "list"),
           out=lambda o: o == "42\n")
    expect("standard input is read", tsq("query", "--format", "list", stdin="SELECT 7 AS x;"), out=lambda o: o == "7\n")
    expect("a chart is drawn", tsq("query", "--chart", "SELECT ts, power FROM power WHERE sensor = 'gresystem000001' AND probe = 1"),
           out=lambda o: "┤" in o)
    target = os.path.join(WORK.name, "out.csv")
    expect("-o writes a file", tsq("query", sql, "--format", "csv", "-o", target), out=lambda o: o == "")
    check("the file is whole", len(open(target).read().splitlines()) == 4 and not os.path.exists(target + ".part"))

    bad = tsq("query", "SELECT *\nFORM power")
    expect("an error has a caret and exits with 1", bad, 1, lambda o: o == "", "^")
    check("the error names the line", "LINE 2" in bad.stderr, bad.stderr)
    expect("a failed query leaves no file", tsq("query", "SELECT nope FROM power", "-o", os.path.join(WORK.name, "no")), 1)
    check("no file was left", not any(name.startswith("no") and name != "nowhere" for name in os.listdir(WORK.name)))


def pipes():
    run = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"'{TSQ}' query 'SELECT * FROM power' --format csv | head -1"],
        capture_output=True, text=True, env=ENV, cwd=WORK.name)
    check("a closed pipe is quiet", run.returncode == 0 and run.stderr == "" and run.stdout.startswith("ts,"), run)
    process = subprocess.Popen(
        [TSQ, "query", "SELECT count(*) FROM power a CROSS JOIN power b CROSS JOIN power c"], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, env=ENV, cwd=WORK.name)
    time.sleep(1)
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    check("SIGINT ends a query with 130", process.returncode == 130, (process.returncode, err))
    check("and soon", time.monotonic() - started < 5)


def imports():
    path = os.path.join(WORK.name, "r.csv")
    open(path, "w").write("ts,sensor,power\n2026-01-01T00:00:00Z,imp1,5\nbad,imp1,6\n2026-01-01T00:00:01Z,imp1,\n")
    rejects = os.path.join(WORK.name, "rejects.csv")
    run = tsq("import", path, "--rejects", rejects, "--span", "1s")
    expect("import reports what became of the rows", run, out=lambda o: o == "new=2 same=0 conflict=0 quarantined=0 expired=0 rejected=1\n")
    rejected = list(csv.DictReader(open(rejects)))
    check("rejected lines have number and reason", [r["line"] for r in rejected] == ["3"] and rejected[0]["reason"], rejected)
    expect("the same file again is the same", tsq("import", path, "--rejects", rejects, "--span", "1s"), out=lambda o: "new=0 same=2" in o)
    expect("a wrong header is explained", tsq("import", "-", stdin="a,b\n1,2\n"), 1, lambda o: o == "", "no column")
    expect("an empty cell is null", tsq("query", "SELECT power FROM power WHERE sensor = 'imp1' ORDER BY ts", "--format", "csv"),
           out=lambda o: o == "power\n5\n\n")


def registry():
    before = tsq("replay", "--digest").stdout
    check("a digest is 64 hex digits", len(before) == 65, before)
    check("the digest is the same at every open", tsq("replay", "--digest").stdout == before)
    expect("a user is made", tsq("user", "create", "ann"), out=lambda o: o == "")
    expect("a name is taken once", tsq("user", "create", "ann"), 1, err="taken")
    expect("a device is associated (L-07)", tsq("device", "associate", "gresystem000001", "--user", "ann"))
    owner = json.loads(tsq("device", "show", "gresystem000001", "--format", "json").stdout)[0]["owner"]
    check("the owner is shown", owner == "ann", owner)
    expect("an unknown user is named", tsq("device", "associate", "gresystem000001", "--user", "bob"), 1, err='"bob"')
    expect("a device is renamed", tsq("device", "rename", "gresystem000001", "집 계량기"))
    expect("wide names line up", tsq("device", "list"), out=lambda o: "집 계량기" in o)
    shown = json.loads(tsq("device", "show", "gresystem000002", "--format", "json").stdout)[0]
    check("a parked device shows its code and no more of it", len(shown["code"]) == 6, shown)
    expect("the code claims the device (L-22)", tsq("device", "claim", shown["code"], "--user", "ann"))
    expect("a deletion can be tried", tsq("device", "delete", "gresystem000002", "--dry-run"), err="nothing was changed")
    expect("and done (L-08)", tsq("device", "delete", "gresystem000002"), err="deleted 1 device")
    expect("readings stay", tsq("query", "SELECT count(*) AS n FROM power WHERE sensor = 'gresystem000002'", "--format", "list"),
           out=lambda o: o == "1800\n")
    events = [json.loads(line) for line in tsq("events", "--format", "ndjson").stdout.splitlines()]
    check("the journal is in order of LSN", [e["lsn"] for e in events] == sorted(e["lsn"] for e in events))
    check("each event has an actor", all(e["actor"] for e in events))
    check("no whole code stands in the journal (S10)",
          not any(re.search(r'"code\\?": ?\\?"[0-9a-f]{32}', json.dumps(e)) for e in events), events)
    expect("deleting a user parks the devices (L-04)", tsq("user", "delete", "ann"), err="parked 1 device")
    owner = json.loads(tsq("device", "show", "gresystem000001", "--format", "json").stdout)[0]["owner"]
    check("the device is parked", owner == "parked_device_user", owner)
    history = [json.loads(line) for line in tsq("device", "history", "gresystem000001", "--format", "ndjson").stdout.splitlines()]
    check("the history of a device has the deletion of its user (T-04)", any("user.deleted" in json.dumps(e) for e in history))
    after = tsq("replay", "--digest").stdout
    check("the digest changes with the registry and then stays", after != before and tsq("replay", "--digest").stdout == after)


def tokens():
    made = tsq("token", "create", "--role", "reader", "--label", "grafana", "--format", "json")
    expect("a token is made (S4)", made, err="shown this once")
    token = json.loads(made.stdout)[0]
    check("its public id names the role", re.fullmatch(r"reader-[0-9a-f]{12}", token["public_id"]), token)
    check("it has 64 random digits", re.fullmatch(r"tsq_reader-[0-9a-f]{12}_[0-9a-f]{64}", token["token"]), token)
    listed = tsq("token", "list", "--format", "json")
    check("it is listed without its secret", [t["label"] for t in json.loads(listed.stdout)] == ["grafana"], listed.stdout)
    check("nobody keeps it", token["token"][-64:] not in listed.stdout + tsq("events").stdout)
    expect("it is shown", tsq("token", "show", token["public_id"]), out=lambda o: "valid" in o and token["token"][-64:] not in o)
    for wrong in (["--role", "user"], ["--role", "device"], ["--role", "king"], ["--role", "reader", "--user", "ann"],
                  ["--role", "reader", "--lifetime", "soon"], []):
        expect(f"token create {' '.join(wrong)} is a usage error", tsq("token", "create", *wrong), 2, lambda o: o == "")
    expect("an unknown device is named", tsq("token", "create", "--role", "device", "--device", "nobody"), 1, err='"nobody"')
    expect("a lifetime has an end", tsq("token", "create", "--role", "reader", "--lifetime", "9000d"), 1, err="10 years")
    expect("a revocation can be tried", tsq("token", "revoke", token["public_id"], "--dry-run"), err="nothing was changed")
    expect("and done", tsq("token", "delete", token["public_id"]), err="revoked the reader's token")
    expect("once", tsq("token", "revoke", token["public_id"]), 1, err="revoked already")
    expect("it is listed no more", tsq("token", "list", "--format", "json"), out=lambda o: json.loads(o) == [])
    expect("but among all", tsq("token", "list", "--all", "--format", "json"), out=lambda o: json.loads(o)[0]["state"] == "revoked")
    expect("an unknown token is named", tsq("token", "show", "nobody"), 1, err='"nobody"')


def signals():
    device = "gresystem000001"
    expect("a sensor is described (P-37)", tsq("device", "set", device, "category=main", "address1=Mapo-gu", "status=online"))
    expect("a wrong category is explained", tsq("device", "set", device, "category=mains"), 1, err="main, submain, sub, special")
    expect("what has a command of its own is no field", tsq("device", "set", device, "owner=ann"), 1, err="associate")
    shown = json.loads(tsq("device", "show", device, "--format", "json").stdout)[0]
    check("fields and text form are shown (D-11)", shown["category"] == "main" and shown["text"].endswith("(online)"), shown)
    expect("sensors are searched", tsq("device", "list", "--category", "main", "--format", "list"), out=lambda o: device in o)
    expect("who is overdue is told (P-07)", tsq("device", "clock", "--overdue", "--format", "list"), out=lambda o: device in o)
    changes = [json.loads(e["payload"]) for e in json.loads(
        tsq("events", "--kind", "status_changed", "--type", "power", "--format", "json").stdout)]
    check("a change of status tells from what (D-30)", [(c["previous"], c["status"]) for c in changes] == [("offline", "online")], changes)
    expect("an unknown kind is a usage error that names them", tsq("events", "--kind", "x"), 2, err="status_changed")
    expect("an unknown type is named", tsq("events", "--type", "x"), 1, err='"x"')
    expect("a table cannot be followed", tsq("events", "--follow", "--format", "table"), 2)
    process = subprocess.Popen([TSQ, "events", "--follow", "--kind", "user"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True, env=ENV, cwd=WORK.name)
    first = json.loads(process.stdout.readline())
    check("following begins with what was", first["kind"].startswith("user."), first)
    tsq("user", "create", "followed")
    line = process.stdout.readline()
    while line and "followed" not in line:
        line = process.stdout.readline()
    check("and goes on", json.loads(line)["kind"] == "user.created", line)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    check("SIGINT ends it with 130 and says from where to go on", process.returncode == 130 and "--from" in err, (process.returncode, err))


def operations():
    expect("compact", tsq("compact"), err="became")
    stats = json.loads(tsq("stats", "--format", "json").stdout)[0]
    check("stats count the rows", stats["sealed_rows"] >= 3602, stats)
    expect("the rows are there after sealing", tsq("query", "SELECT count(*) AS n FROM power WHERE sensor = 'gresystem000001'", "--format", "list"),
           out=lambda o: o == "1800\n")


for group in (usage, simulate, queries, pipes, imports, registry, tokens, signals, operations):
    group()
print(f"{len(failures)} claims failed" if failures else "command line: all claims hold")
sys.exit(1 if failures else 0)
