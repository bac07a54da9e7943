"""The peers by name: a module each."""
import importlib

NAMES = ("duckdb", "chdb", "parquet", "tsfile", "sqlite", "victoriametrics", "influxdb", "postgres", "arcticdb")


def peer(name):
    return importlib.import_module(f"{__name__}.{name}").Engine()
