"""Parquet files written by pyarrow, a row group a sensor of the benchmark; the questions asked by DuckDB's reader."""
import os
import time

from ..peer import Peer
from .duckdb import ask

FORMS = {
    "delta+zstd(3)": ("delta", "zstd", 3),
    "delta": ("delta", "none", None),
    "delta+zstd(12)": ("delta", "zstd", 12),
    "dictionary+zstd(3)": ("dictionary", "zstd", 3),
}


class Engine(Peer):
    title = "Parquet (pyarrow, asked by DuckDB)"
    modules = ("pyarrow", "duckdb")
    variants = tuple(FORMS)
    durability = "no commits: a file is written whole"
    counted = "the file"

    def version(self):
        import pyarrow

        return pyarrow.__version__

    def load(self, readings, folder, variant):
        import pyarrow
        import pyarrow.parquet

        form, compression, level = FORMS[variant]
        columns = readings.columns()
        columns["ts"] = pyarrow.array((columns.pop("us") // 1000).view("datetime64[ms]"))
        rows = pyarrow.table(columns)
        keys = ["sensor", "probe"]
        delta = ["ts", *(readings.channels if form == "delta" else ())]
        path = f"{folder}/t.parquet"
        begun = time.perf_counter()
        pyarrow.parquet.write_table(
            rows, path, row_group_size=216_000, compression=compression, compression_level=level,
            data_page_size=1 << 17, write_page_index=True,
            use_dictionary=keys if form == "delta" else [*keys, *readings.channels],
            column_encoding={name: "DELTA_BINARY_PACKED" for name in delta})
        file = os.open(path, os.O_RDONLY)
        os.fsync(file)
        os.close(file)
        return time.perf_counter() - begun

    def totals(self, folder, variant, channels):
        import duckdb

        sums = "".join(f", sum({name})" for name in channels)
        source = f"read_parquet('{folder}/t.parquet')"
        row = duckdb.connect().execute(f"SELECT count(*){sums} FROM {source}").fetchone()
        return dict(zip(["rows", *channels], map(int, row)))

    def questions(self, folder, variant, target):
        import duckdb

        return ask(duckdb.connect(), f"read_parquet('{folder}/t.parquet')", target)
