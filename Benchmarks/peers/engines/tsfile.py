"""Apache TsFile by its C++ core: no server and no aggregates, so pyarrow makes some answers of what it reads."""
import os
import time

import numpy as np

from ..peer import Peer, empty

FORMS = {
    "TS_2DIFF+ZSTD": ("TS_2DIFF", "ZSTD"), "TS_2DIFF+LZ4": ("TS_2DIFF", "LZ4"), "SPRINTZ+ZSTD": ("SPRINTZ", "ZSTD"),
}


class Engine(Peer):
    title = "Apache TsFile (C++)"
    modules = ("tsfile", "pyarrow")
    variants = tuple(FORMS)
    durability = "no commits: a file is written whole"
    counted = "the file"
    reader = None

    def version(self):
        from importlib.metadata import version

        return version("tsfile")

    @staticmethod
    def configure(variant, folder):
        import tsfile

        encoding, compression = FORMS[variant]
        # The first writer of a process sets the library's defaults and so undoes what was set before it.
        tsfile.TsFileWriter(f"{empty(folder + '/first')}/first.tsfile")
        tsfile.set_tsfile_config({
            "int32_encoding_type_": tsfile.TSEncoding[encoding], "int64_encoding_type_": tsfile.TSEncoding.TS_2DIFF,
            "time_encoding_type_": tsfile.TSEncoding.TS_2DIFF,
            "time_compress_type_": tsfile.Compressor[compression],
            "default_compression_type_": tsfile.Compressor[compression]})

    def load(self, readings, folder, variant):
        import pyarrow
        import tsfile

        self.configure(variant, folder)
        tags = [tsfile.ColumnSchema(name, tsfile.TSDataType.STRING, tsfile.ColumnCategory.TAG)
                for name in ("sensor", "probe")]
        fields = [tsfile.ColumnSchema(name, tsfile.TSDataType.INT32, tsfile.ColumnCategory.FIELD)
                  for name in readings.channels]
        batches = [
            pyarrow.record_batch(
                [pyarrow.array(readings.us[rows] // 1000), pyarrow.array([str(sensor)] * (rows.stop - rows.start)),
                 pyarrow.array([str(probe)] * (rows.stop - rows.start)),
                 *(pyarrow.array(column[rows]) for column in readings.channels.values())],
                names=["time", "sensor", "probe", *readings.channels])
            for sensor, probe, rows in readings.series()]
        begun = time.perf_counter()
        writer = tsfile.TsFileTableWriter(f"{folder}/t.tsfile", tsfile.TableSchema("t", [*tags, *fields]))
        for batch in batches:
            writer.writer.write_arrow_batch("t", batch, 0)
        writer.close()
        os.sync()
        return time.perf_counter() - begun

    def size(self, folder, variant):
        return os.path.getsize(f"{folder}/t.tsfile")

    def read(self, columns, from_ms=-(1 << 62), to_ms=1 << 62, where=None):
        """All rows of the named columns, times inclusive, as a table."""
        import pyarrow

        result = self.reader.query_table("t", columns, from_ms, to_ms, tag_filter=where, batch_size=65536)
        batches = []
        while (batch := result.read_arrow_batch()) is not None:
            batches += batch.to_batches() if isinstance(batch, pyarrow.Table) else [batch]
        result.close()
        return pyarrow.Table.from_batches(batches)

    def totals(self, folder, variant, channels):
        import pyarrow.compute
        import tsfile

        self.reader = tsfile.TsFileReader(f"{folder}/t.tsfile")
        rows = self.read(list(channels))
        return {"rows": rows.num_rows, **{name: pyarrow.compute.sum(rows[name]).as_py() for name in channels}}

    def questions(self, folder, variant, target):
        import pyarrow
        import pyarrow.compute as compute
        import tsfile

        self.reader = tsfile.TsFileReader(f"{folder}/t.tsfile")
        sensor = tsfile.tag_eq("sensor", str(target.sensor))
        series = sensor & tsfile.tag_eq("probe", str(target.probe))

        def bucketed(columns, millis, where=None):
            rows = self.read(columns, where=where)
            return rows.append_column("bucket", compute.divide(compute.cast(rows["time"], pyarrow.int64()), millis))

        def q2():
            rows = bucketed(["probe", "power"], 60_000, sensor)
            return rows.group_by(["probe", "bucket"]).aggregate(
                [("power", "mean"), ("power", "min"), ("power", "max")])

        def q3():
            rows = self.read(["power", "voltage"])
            ends = compute.min_max(rows["power"])
            return [compute.sum(rows["power"]), compute.mean(rows["power"]), ends["min"], ends["max"],
                    compute.mean(rows["voltage"])]

        def q4():
            return bucketed(["sensor", "power"], 300_000).group_by(["sensor", "bucket"]).aggregate([("power", "mean")])

        def q5():  # by the statistics of the chunks
            rows = []
            for group in self.reader.get_timeseries_metadata().values():
                last = {part.measurement_name: part.statistic.last_int64 for part in group.timeseries}
                rows.append((*group.segments[1:], last["power"], last["pf"], last["voltage"]))
            return rows

        def q6():
            rows = self.read(["power", "pf"])
            return [compute.sum(compute.and_(compute.greater(rows["power"], 3000), compute.less(rows["pf"], 900)))]

        def named(*names):
            def columns(rows):
                return [np.array([int(text) for text in rows[name].to_pylist()])
                        if name in ("sensor", "probe") else rows[name].to_numpy() for name in names]
            return columns

        def scalars(answer):
            return [[scalar.as_py()] for scalar in answer]

        def lasts(rows):
            return list(np.array(rows, np.int64).T)

        def q1():
            return self.read(["power", "pf", "voltage"], target.from_us // 1000, target.to_us // 1000 - 1, series)

        return {"q1": (q1, named("time", "power", "pf", "voltage")),
                "q2": (q2, named("probe", "bucket", "power_mean", "power_min", "power_max")),
                "q3": (q3, scalars), "q4": (q4, named("sensor", "bucket", "power_mean")), "q5": (q5, lasts),
                "q6": (q6, scalars)}

    def close(self):
        if self.reader is not None:
            self.reader.close()
        self.reader = None
