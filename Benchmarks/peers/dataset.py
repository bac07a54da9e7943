"""The readings that all peers take: the benchmark set as `tsq bench --data` writes it, and real measurements."""
import csv
import gzip
from dataclasses import dataclass

import numpy as np

BASE_US = 1_767_225_600_000_000
STEP_US = 50_000
TICKS_A_SECOND = 20
CHANNELS = ("power", "pf", "voltage")


@dataclass
class Readings:
    """Columns of equal length, sorted by (sensor, probe, us); no cell is null."""

    name: str
    sensor: np.ndarray
    probe: np.ndarray
    us: np.ndarray
    channels: dict

    @property
    def rows(self):
        return len(self.us)

    @property
    def values(self):
        return self.rows * len(self.channels)

    @property
    def totals(self):
        """What a peer must give back after a load: rows, and the sum of each channel."""
        return {"rows": self.rows, **{name: int(column.sum(dtype=np.int64)) for name, column in self.channels.items()}}

    def fits16(self, name):
        column = self.channels[name]
        return bool(column.min() >= -(1 << 15) and column.max() < 1 << 15)

    def columns(self):
        return {"sensor": self.sensor, "probe": self.probe, "us": self.us, **self.channels}

    def table(self):
        import pyarrow

        return pyarrow.table(self.columns())

    def series(self):
        """(sensor, probe, slice of rows) of each series."""
        if not self.rows:
            return []
        changes = np.flatnonzero(np.diff(self.sensor.astype(np.int64) << 8 | self.probe))
        edges = [0, *(changes + 1).tolist(), self.rows]
        return [(int(self.sensor[a]), int(self.probe[a]), slice(a, b)) for a, b in zip(edges, edges[1:])]

    def half(self, number):
        """The rows of every second sensor."""
        keep = self.sensor % 2 == number
        return Readings(self.name, self.sensor[keep], self.probe[keep], self.us[keep],
                        {name: column[keep] for name, column in self.channels.items()})


class Fleet:
    """The benchmark set: int32 arrays of shape (sensors, probes, ticks), 50 ms a tick."""

    def __init__(self, folder):
        self.arrays = {name: np.load(f"{folder}/{name}.npy", mmap_mode="r") for name in CHANNELS}
        self.sensors, self.probes, self.ticks = self.arrays["power"].shape

    @property
    def seconds(self):
        return self.ticks // TICKS_A_SECOND

    def readings(self, first=0, last=None, sensors=None):
        """Ticks first ..< last of the first `sensors` sensors."""
        last = self.ticks if last is None else last
        sensors = min(sensors or self.sensors, self.sensors)
        ticks = last - first
        us = BASE_US + STEP_US * np.arange(first, last, dtype=np.int64)
        return Readings(
            "benchmark",
            np.repeat(np.arange(sensors, dtype=np.uint16), self.probes * ticks),
            np.tile(np.repeat(np.arange(self.probes, dtype=np.uint8), ticks), sensors),
            np.tile(us, sensors * self.probes),
            {name: np.ascontiguousarray(array[:sensors, :, first:last]).ravel() for name, array in self.arrays.items()})

    def frames(self, count, sensors=None):
        """One second of the first `sensors` sensors each."""
        return [self.readings(at * TICKS_A_SECOND, (at + 1) * TICKS_A_SECOND, sensors) for at in range(count)]


REAL_SETS = {
    "mlperf": ("mlperf_power_3ch_1hz.csv.gz", "1s"),
    "mlperf-native": ("mlperf_power_3ch_1hz.native.csv.gz", "1s"),
    "enf": ("enf_whu_voltage_20hz.csv.gz", "50ms"),
    "espresso": ("espresso_1hz.csv.gz", "1s"),
    "espresso-native": ("espresso_1hz.native.csv.gz", "1s"),
    "shelby": ("shelby_pmu_30hz.csv.gz", "33ms"),
}


def real(folder, name):
    """A real set. Its first three channels are called power, pf and voltage whatever they measure, a fourth is left
    out, and one that is wholly empty too. A set with single empty cells is refused: peers would differ in them."""
    with gzip.open(f"{folder}/{REAL_SETS[name][0]}", "rt", newline="") as file:
        lines = csv.reader(file)
        next(lines)
        cells = list(zip(*((*line[:6],) for line in lines)))
    channels = {}
    for channel, column in zip(CHANNELS, cells[3:6]):
        empty = column.count("")
        if empty and empty < len(column):
            raise ValueError(f"{name}: {channel} has {empty} empty cells among {len(column)}")
        if not empty:
            channels[channel] = np.array(column, np.int32)
    us = np.array(cells[0], np.int64) * 1000
    sensor, probe = np.array(cells[1], np.uint16), np.array(cells[2], np.uint8)
    order = np.lexsort((us, probe, sensor))
    return Readings(name, sensor[order], probe[order], us[order],
                    {channel: column[order] for channel, column in channels.items()})
