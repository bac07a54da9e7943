#!/usr/bin/env python3
"""The shell at a real pseudo-terminal. usage: shell.py TSQ"""
import os
import re
import subprocess
import sys
import tempfile

import pexpect

TSQ = os.path.abspath(sys.argv[1])
WORK = tempfile.TemporaryDirectory(prefix="tsq-shell-")
STORE = os.path.join(WORK.name, "store")
ENV = {k: v for k, v in os.environ.items() if not k.startswith(("TSQ_", "LESS", "LC_", "LANG"))}
ENV |= {"XDG_STATE_HOME": os.path.join(WORK.name, "state"), "HOME": WORK.name, "TERM": "xterm-256color", "PAGER": "less"}
failures = []


def check(claim, holds, what=""):
    if not holds:
        failures.append(claim)
        print(f"FAIL {claim}: {what!r}")


class Session:
    """One shell. `ask` types a line and gives what came until the next prompt, without colour."""

    def __init__(self, *arguments, rows=30, columns=100):
        self.child = pexpect.spawn(
            TSQ, ["shell", STORE, *arguments], env=ENV, encoding="utf-8", timeout=20, dimensions=(rows, columns))
        self.child.expect("tsq>")

    def type(self, text):
        self.child.send(text)

    def until_prompt(self):
        self.child.expect("tsq>")
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self.child.before)

    def ask(self, line):
        self.child.send(line + "\r")
        return self.until_prompt()

    def leave(self):
        self.child.sendcontrol("d")
        self.child.expect(pexpect.EOF)
        self.child.close()
        return self.child.exitstatus


def lines_and_statements():
    session = Session()
    check("a statement is answered", re.search(r"\b3\b", session.ask("SELECT 1 + 2 AS x;")))
    session.type("SELECT 40\r")
    session.child.expect("->")
    session.type("+ 2 AS answer\r")
    session.child.expect("->")
    session.type(";\r")
    check("a statement may take several lines", "42" in session.until_prompt())
    check("the footer has rows and time", re.search(r"\(1 row, [0-9.]+ [mµ]?s", session.ask("SELECT 1;")))
    out = session.ask("SELECT * FORM power;")
    check("an error has a caret", "^" in out and "ERROR 42601" in out, out)
    check("wide text lines up", "│" in session.ask("SELECT '한글 전력' AS 이름, 1 AS n;"))
    session.type("SELECT 'half")
    session.child.sendcontrol("c")
    session.until_prompt()
    check("Ctrl-C gives up the line only", re.search(r"\b8\b", session.ask("SELECT 8 AS x;")))
    session.type("SELECT count(*) FROM power a CROSS JOIN power b CROSS JOIN power c;\r")
    session.child.expect("power c;")
    import time
    time.sleep(0.7)
    session.child.sendcontrol("c")
    check("Ctrl-C cancels the running query only", "cancelled" in session.until_prompt())
    check("and the shell goes on", re.search(r"\b9\b", session.ask("SELECT 9 AS x;")))
    check("Ctrl-D leaves with 0", session.leave() == 0)


def history():
    session = Session()
    session.child.send("\x1b[A")
    session.child.send("\r")
    check("history lasts across sessions", re.search(r"\b9\b", session.until_prompt()))
    session.child.sendcontrol("r")
    session.type("answer")
    session.child.expect("answer")
    session.child.send("\r")
    check("reverse search finds an entry of several lines", "42" in session.until_prompt())
    path = os.path.join(ENV["XDG_STATE_HOME"], "tsq", "history")
    check("history is in the user's state folder, for the user alone", os.stat(path).st_mode & 0o077 == 0)
    session.leave()


def completion():
    session = Session()
    session.type("SELECT count(*) AS n FROM pow\t")
    session.child.expect("er ")
    session.type("WHERE sensor = 'gres\t")
    session.child.expect("ystem00000")
    session.type("\t")
    session.child.expect("gresystem000002")
    check("two candidates are listed, the line is drawn again", True)
    session.child.expect("ystem00000")
    session.type("1\t;\r")
    out = session.until_prompt()
    check("completion reaches a sensor's id", re.search(r"\b600\b", out), out)
    session.leave()


def dot_commands():
    session = Session()
    check(".help lists the commands", ".chart" in session.ask(".help"))
    check(".tables lists tables", "power" in session.ask(".tables"))
    check(r"\d is .tables", "power" in session.ask(r"\d"))
    check(".schema has columns and units", "voltage" in session.ask(".schema power"))
    check(r"\d TABLE too", "voltage" in session.ask(r"\d power"))
    check("an unknown table is said", "no table" in session.ask(r"\d nothing"))
    session.ask(".mode json")
    check(".mode json", '"x":1' in session.ask("SELECT 1 AS x;"))
    session.ask(".mode table")
    check(".chart draws braille", re.search("[\u2801-\u28ff]", session.ask(
        ".chart SELECT ts, power FROM power WHERE sensor = 'gresystem000001' AND probe = 1;")))
    session.ask(".timer off")
    check(".timer off", "row" not in session.ask("SELECT 1 AS x;"))
    script = os.path.join(WORK.name, "script.sql")
    open(script, "w").write("SELECT 11\n + 22 AS x;\nSELECT 44 AS y;")
    out = session.ask(f".read {script}")
    check(".read runs a file", "33" in out and "44" in out, out)
    check("an unknown command is said", "no command" in session.ask(".bogus"))
    session.child.send(".quit\r")
    session.child.expect(pexpect.EOF)
    session.child.close()
    check(".quit leaves with 0", session.child.exitstatus == 0)


def paging():
    session = Session(rows=12)
    session.type("SELECT ts, power FROM power WHERE sensor = 'gresystem000001' AND probe = 1;\r")
    session.child.expect("2026-01-01T00:00:00")
    session.child.expect(":")
    session.type("q")
    check("a long answer goes through the pager, which can be left", "200 rows" in session.until_prompt())
    session.leave()


def pipes():
    run = subprocess.run([TSQ, "shell", STORE], input=".mode csv\nSELECT 1 AS x;\nSELECT 2 AS y\n", capture_output=True, text=True, env=ENV)
    check("a pipe gets no banner, prompt or colour", run.stdout == "x\n1\ny\n2\n" and run.stderr == "", (run.stdout, run.stderr))
    run = subprocess.run([TSQ, "shell", STORE], input="SELECT nope;\nSELECT 5 AS x;\n", capture_output=True, text=True, env=ENV)
    check("an error in a pipe is told by the exit code, what follows still runs", run.returncode == 1 and "5" in run.stdout, run)


subprocess.run([TSQ, "simulate", "--sensors", "2", "--seconds", "10", "--first", "1", "--to", f"store:{STORE}"], check=True,
               capture_output=True, env=ENV)
for group in (lines_and_statements, history, completion, dot_commands, paging, pipes):
    try:
        group()
    except (pexpect.TIMEOUT, pexpect.EOF) as error:
        check(f"{group.__name__} comes to its end", False, str(error)[-600:])
print(f"{len(failures)} claims failed" if failures else "shell: all claims hold")
sys.exit(1 if failures else 0)
