"""The seven questions of the benchmark and their answers by NumPy.

q1 all channels of one series for 60 s · q2 one sensor, average, least and greatest power by probe and minute ·
q3 sum, average, least and greatest power and average voltage over all rows · q4 average power by sensor and five
minutes · q5 the last value of every channel of every series · q6 count of rows with power > 3000 and pf < 900 ·
q7 exact 99th percentile of power by sensor (linear between ranks).

A peer answers with columns of numbers. The first ones are keys, which only order the rows.
"""
import numpy as np

from .dataset import BASE_US, CHANNELS, STEP_US

KEYS = {"q1": 1, "q2": 2, "q3": 0, "q4": 2, "q5": 2, "q6": 0, "q7": 1}
PROBE = 1
TOLERANCE = 1e-9


class Target:
    """Where q1 and q2 look, and what all of the data span."""

    def __init__(self, fleet):
        self.sensors, self.probes, self.ticks = fleet.sensors, fleet.probes, fleet.ticks
        self.sensor, self.probe = min(5, fleet.sensors - 1), PROBE
        self.first = fleet.ticks // 2
        self.from_us = BASE_US + self.first * STEP_US
        self.to_us = self.from_us + 60_000_000
        self.end_us = BASE_US + fleet.ticks * STEP_US


def reference(fleet):
    target = Target(fleet)
    power, pf, voltage = (np.asarray(fleet.arrays[name]) for name in CHANNELS)
    span = slice(target.first, target.first + 1200)
    minutes = np.arange(0, fleet.ticks, 1200)
    mine = power[target.sensor]
    lengths = np.diff(np.append(minutes, fleet.ticks))
    fives = np.arange(0, fleet.ticks, 6000)
    five_rows = np.diff(np.append(fives, fleet.ticks)) * fleet.probes
    total = int(power.sum(dtype=np.int64))
    return {
        "q1": [a[target.sensor, target.probe, span] for a in (power, pf, voltage)],
        "q2": [(np.add.reduceat(mine, minutes, axis=1, dtype=np.int64) / lengths).ravel(),
               np.minimum.reduceat(mine, minutes, axis=1).ravel(), np.maximum.reduceat(mine, minutes, axis=1).ravel()],
        "q3": [[total], [total / power.size], [power.min()], [power.max()],
               [int(voltage.sum(dtype=np.int64)) / voltage.size]],
        "q4": [(np.add.reduceat(power.sum(axis=1, dtype=np.int64), fives, axis=1) / five_rows).ravel()],
        "q5": [a[:, :, -1].ravel() for a in (power, pf, voltage)],
        "q6": [[int(np.count_nonzero((power > 3000) & (pf < 900)))]],
        "q7": [[float(np.quantile(power[sensor].ravel(), 0.99)) for sensor in range(fleet.sensors)]],
    }


def is_right(question, answer, wanted):
    """Whether all numbers agree, relative 1e-9, rows taken in the order of the keys."""
    columns = [np.asarray(column) for column in answer]
    keys, found = columns[:KEYS[question]], [column.astype(np.float64) for column in columns[KEYS[question]:]]
    wanted = [np.asarray(column, np.float64) for column in wanted]
    if len(found) != len(wanted) or any(a.shape != b.shape for a, b in zip(found, wanted)):
        return False
    if keys:
        order = np.lexsort(keys[::-1])
        found = [column[order] for column in found]
    return all(np.allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE) for a, b in zip(found, wanted))
