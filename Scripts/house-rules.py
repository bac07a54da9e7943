#!/usr/bin/env python3
"""House rules that a machine can check. Prints each breach with its place; exit 1 when there is one."""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# What each room may import of the project. System modules and packages are not listed.
ROOMS = {
    "TSEngine": {"CTsqShims", "CLZ4"},
    "Query": {"TSEngine", "CTsqShims"},
    "Ingest": {"TSEngine", "CTsqShims", "CMosquitto", "CZlib", "CSimdjson"},
    "Server": {"TSEngine", "Ingest", "Query", "CTsqShims"},
    "Bench": {"TSEngine", "Ingest", "Query", "CTsqShims"},
    "tsq": {"TSEngine", "Ingest", "Query", "Server", "Bench", "CEditline", "CTsqShims"},
}
LONGEST = 800
FOUNDATIONLESS = {"TSEngine", "Query"}
INPUT_ROOMS = {"Ingest", "Query", "Server"}
breaches = []


def breach(path, line, what):
    breaches.append(f"{path}:{line}: {what}" if line else f"{path}: {what}")


def swift_files():
    listed = subprocess.run(
        ["git", "ls-files", "*.swift"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [pathlib.PurePosixPath(name) for name in listed.split() if (ROOT / name).exists()]


def check_swift():
    own = set(ROOMS) | {"CTsqShims", "CLZ4", "CMosquitto", "CEditline", "CZlib", "CSimdjson"}
    for path in swift_files():
        lines = (ROOT / path).read_text().split("\n")
        is_generated = path.name.endswith(".pb.swift")
        if len(lines) > LONGEST and not is_generated:
            breach(path, 0, f"{len(lines)} lines, more than {LONGEST}")
        if path.parts[0] != "Sources":
            continue
        room = path.parts[1]
        for number, line in enumerate(lines, 1):
            code = line.split("//")[0]
            imported = re.match(r"\s*(?:@\w+(?:\([^)]*\))?\s+|\w+\s+)*?import\s+(?:\w+\s+)?(\w+)", code)
            if imported and re.search(r"\bimport\b", code):
                name = imported.group(1)
                if name in own and name != room and name not in ROOMS.get(room, set()):
                    breach(path, number, f"{room} must not import {name}")
                if name.startswith("Foundation") and room in FOUNDATIONLESS and not is_generated:
                    breach(path, number, f"{room} must not import {name}")
            if room in INPUT_ROOMS and re.search(r"\btry!|\bas!|\bfatalError\(", code):
                breach(path, number, "input may reach this trap: throw a typed error instead")
            if room != "TSEngine" and re.search(r"[sS]tore\)?\.shared\b", code):
                breach(path, number, "a store's shared state is the engine's own: ask its snapshot")
            if re.search(r"\bTODO\b|\bFIXME\b", line):
                breach(path, number, "unfinished")


def check_format_documents():
    """Each kind that has a number on disk stands in a format document, number and name."""
    documents = list((ROOT / "Docs").glob("FORMAT*.md"))
    if not documents:
        return breach("Docs", 0, "there is no FORMAT*.md")
    text = "\n".join(document.read_text() for document in documents).lower()
    for path in swift_files():
        if path.parts[0] != "Sources" or not path.name.endswith("Format.swift"):
            continue
        kind = None
        for number, line in enumerate((ROOT / path).read_text().split("\n"), 1):
            begins = re.search(r"\benum (\w*(?:Kind|Edit|Section|Codec|Content)\w*): UInt", line)
            kind = begins.group(1) if begins else kind
            if kind and re.match(r"\s*\}", line) and not line.startswith("    "):
                kind = None if line.startswith("}") or line.startswith("  }") else kind
            if not kind or not re.match(r"\s*(?:package |public )?case ", line):
                continue
            for name in re.findall(r"`?(\w+)`?\s*=\s*(?:0x)?\d+", line):
                words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).lower()
                if name.lower() not in text and words not in text:
                    breach(path, number, f"{kind}.{name} is in no Docs/FORMAT*.md")


def check_paths():
    """No path of a developer's machine."""
    listed = subprocess.run(
        ["git", "grep", "-nIE", r"(^|[\"' (=])/(work|home|Users)/[A-Za-z0-9_.-]+/", "--", ".", ":!Scripts/house-rules.py"],
        cwd=ROOT, capture_output=True, text=True).stdout
    for line in listed.splitlines():
        path, number, rest = line.split(":", 2)
        breach(path, number, f"a path of one machine: {rest.strip()[:80]}")


check_swift()
check_format_documents()
check_paths()
for line in breaches:
    print(line)
print(f"house rules: {len(breaches)} breaches" if breaches else "house rules: kept")
sys.exit(1 if breaches else 0)
