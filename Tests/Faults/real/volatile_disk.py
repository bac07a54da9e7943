"""A disk for nbdkit with a volatile write cache: what no flush covered is lost at the power cut, but
for a random half of its 512-byte sectors, which get through in random order.

The cut comes when the file POWER appears in the folder TSQ_POWER; what the platter holds then is
written to after.img there. SEED chooses the sectors.
"""
import builtins
import os
import random

import nbdkit

API_VERSION = 2
SIZE = 48 << 20
folder = os.environ["TSQ_POWER"]
stable, volatile = bytearray(SIZE), bytearray(SIZE)
pending = []
counts = {"writes": 0, "flushes": 0}
state = {"off": False}


def thread_model():
    return nbdkit.THREAD_MODEL_SERIALIZE_ALL_REQUESTS


def open(readonly):
    return 1


def get_size(handle):
    return SIZE


def can_flush(handle):
    return True


def can_fua(handle):
    return nbdkit.FUA_NATIVE


def is_rotational(handle):
    return False


def pread(handle, buffer, offset, flags):
    buffer[:] = volatile[offset:offset + len(buffer)]


def require_power():
    if not os.path.exists(folder + "/POWER"):
        return
    if not state["off"]:
        cut()
    nbdkit.set_error(5)
    raise RuntimeError("power is off")


def pwrite(handle, buffer, offset, flags):
    require_power()
    counts["writes"] += 1
    data = bytes(buffer)
    volatile[offset:offset + len(data)] = data
    if flags & nbdkit.FLAG_FUA:
        stable[offset:offset + len(data)] = data
    else:
        pending.append((offset, data))


def flush(handle, flags):
    require_power()
    counts["flushes"] += 1
    for offset, data in pending:
        stable[offset:offset + len(data)] = data
    pending.clear()


def trim(handle, count, offset, flags):
    pass


def cut():
    state["off"] = True
    dice = random.Random(int(os.environ.get("SEED", "1")))
    sectors = [(offset + at, data[at:at + 512]) for offset, data in pending for at in range(0, len(data), 512)]
    kept = [sector for sector in sectors if dice.random() < 0.5]
    dice.shuffle(kept)
    image = bytearray(stable)
    for offset, data in kept:
        image[offset:offset + len(data)] = data
    with builtins.open(folder + "/after.part", "wb") as out:
        out.write(image)
    with builtins.open(folder + "/cut.txt", "w") as out:
        out.write(f"{counts['writes']} writes, {counts['flushes']} flushes, {len(sectors)} sectors pending, {len(kept)} kept")
    os.rename(folder + "/after.part", folder + "/after.img")
