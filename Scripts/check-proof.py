#!/usr/bin/env python3
"""Checks a proof that `tsq prove` wrote and prints what it proves. Needs nothing of tsq.

    check-proof.py PROOF.json [HEAD]

Ends with 0 when the reading (or event) lies in the log whose chain has the head that is printed, or HEAD
when it is given; else with 1. Docs/FORMAT.md, section 14, has the bytes; trees are those of RFC 6962.
"""
import base64
import json
import struct
import sys
from hashlib import sha256


def need(holds, what):
    if not holds:
        sys.exit(f"no proof: {what}")


def decoded(text):
    raw = base64.b64decode(text, validate=True)
    need(base64.b64encode(raw).decode() == text, "base 64 with another spelling")
    return raw


def root_of(leaf, index, count, path):
    """RFC 9162, section 2.1.3.2."""
    need(0 <= index < count, "a leaf outside the tree")
    node, last = sha256(b"\0" + leaf).digest(), count - 1
    for neighbour in path:
        need(last > 0, "a path that is too long")
        if index & 1 or index == last:
            node = sha256(b"\1" + neighbour + node).digest()
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            node = sha256(b"\1" + node + neighbour).digest()
        index, last = index >> 1, last >> 1
    need(last == 0, "a path that is too short")
    return node


class Reader:
    def __init__(self, raw):
        self.raw, self.at = raw, 0

    def take(self, count):
        self.at += count
        need(self.at <= len(self.raw), "a leaf that is too short")
        return self.raw[self.at - count:self.at]

    def one(self, form):
        return struct.unpack("<" + form, self.take(struct.calcsize(form)))[0]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def zigzag(self):
        raw = self.varint()
        return raw >> 1 ^ -(raw & 1)

    def text(self):
        return self.take(self.varint()).decode()

    def value(self, kind):
        kinds = {1: self.zigzag, 2: lambda: self.one("d"), 3: lambda: bool(self.one("B")), 4: self.text, 5: self.text}
        return kinds[kind]()


def show(leaf):
    reader = Reader(leaf)
    need(reader.one("B") == 1, "a leaf of a newer version")
    kind, lsn = reader.one("B"), reader.one("Q")
    if kind == 2:
        print(f"event at lsn {lsn}: {leaf[10:].hex()} (protobuf, tsq.v1.Event)")
        return
    table, name, device, probe = reader.varint(), reader.text(), reader.text(), reader.zigzag()
    count, form, times = reader.varint(), reader.one("B"), [reader.one("q")]
    steps = [reader.varint() for _ in range(count - 1 if form == 2 else min(count - 1, 1))]
    for row in range(1, count):
        times.append(times[-1] + steps[row - 1 if form == 2 else 0])
    rows = [{} for _ in range(count)]
    for _ in range(reader.varint()):
        reader.varint()
        column, kind, form = reader.text(), reader.one("B"), reader.one("B")
        bits = reader.take((count + 7) // 8) if form == 3 else b"\xff" * count
        constant = reader.value(kind) if form == 1 else None
        for row in range(count):
            if bits[row // 8] >> row % 8 & 1:
                rows[row][column] = constant if form == 1 else reader.value(kind)
    need(reader.at == len(leaf), "bytes behind a leaf")
    held = " (quarantined)" if table >> 31 else ""
    print(f"table {name}{held}, sensor {device}, probe {probe}, stored at lsn {lsn}")
    for time, row in zip(times, rows):
        print(f"{time}  " + "  ".join(f"{column}={value}" for column, value in row.items()))


def main(path, trusted=None):
    with open(path, "rb") as file:
        text = file.read()
    proof = json.loads(text)
    need((json.dumps(proof, sort_keys=True, separators=(",", ":")) + "\n").encode() == text, "another spelling")
    need(proof["format"] == "tsq-proof-1", "of another format")
    leaf, hashes = decoded(proof["leaf"]), [decoded(each) for each in proof["path"]]
    root = root_of(leaf, proof["index"], proof["count"], hashes)
    numbers = struct.pack("<3Q", proof["first_lsn"], proof["last_lsn"], proof["count"])
    link = b"\2" + decoded(proof["store"]) + decoded(proof["previous"]) + numbers + root
    need(sha256(link).digest() == decoded(proof["head"]), "the head is another")
    need(trusted in (None, proof["head"]), "of another chain, or another stretch of it, than the head given")
    need(len(proof) == 10 and proof["first_lsn"] <= Reader(leaf[2:]).one("Q") <= proof["last_lsn"], "a leaf elsewhere")
    show(leaf)
    print(f"in the log, lsn {proof['first_lsn']} to {proof['last_lsn']}, if the chain's head was: {proof['head']}")


if __name__ == "__main__":
    need(len(sys.argv) in (2, 3), "usage: check-proof.py PROOF.json [HEAD]")
    try:
        main(*sys.argv[1:])
    except (ValueError, KeyError, TypeError, struct.error, OSError, IndexError, AttributeError) as error:
        sys.exit(f"no proof: {error!r}")
