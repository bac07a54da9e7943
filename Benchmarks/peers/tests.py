"""PYTHONPATH=Benchmarks python -m unittest peers.tests: the measuring itself, on a tiny fleet in SQLite."""
import os
import tempfile
import unittest

import numpy as np

from . import dataset, questions, report
from .engines.sqlite import Engine
from .peer import measure_questions, measure_size, measure_stream


class PeersTests(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = self.temporary.name
        random = np.random.default_rng(1)
        for name, least, most in (("power", 0, 4000), ("pf", 0, 1000), ("voltage", 2150, 2450)):
            np.save(f"{self.folder}/{name}.npy", random.integers(least, most, (2, 3, 20 * 150), np.int32))
        self.fleet = dataset.Fleet(self.folder)

    def tearDown(self):
        self.temporary.cleanup()

    def ask(self, wanted):
        peer, folder = Engine(), f"{self.folder}/sqlite"
        found = measure_size(peer, self.fleet.readings(), folder, peer.variants[0])
        self.assertGreater(found["bits_per_value"], 32)
        target = questions.Target(self.fleet)
        return measure_questions(peer, folder, peer.variants[0], target, wanted, questions.is_right)

    def test_answers_agree_with_numpy(self):
        found, wrong = self.ask(questions.reference(self.fleet))
        self.assertEqual(wrong, [])
        self.assertEqual(sorted(found), [f"q{number}_ms" for number in range(1, 7)])

    def test_a_wrong_answer_is_noticed(self):
        wanted = questions.reference(self.fleet)
        wanted["q4"][0][1] *= 1 + 1e-8
        wanted["q6"][0][0] += 1
        self.assertEqual(self.ask(wanted)[1], ["q4", "q6"])

    def test_a_lost_row_is_noticed(self):
        class Forgetful(Engine):
            def commit(self, tuples):
                super().commit(tuples[1:])

        with self.assertRaisesRegex(ValueError, "was given"):
            measure_size(Forgetful(), self.fleet.readings(), f"{self.folder}/sqlite", "")
        with self.assertRaisesRegex(ValueError, "acknowledged"):
            measure_stream(Forgetful(), self.fleet.frames(3), f"{self.folder}/sqlite")

    def test_a_stream_is_counted(self):
        found = measure_stream(Engine(), self.fleet.frames(5), f"{self.folder}/sqlite")
        self.assertEqual(found["commits"], 5)

    def test_halves_and_series_hold_every_row(self):
        readings = self.fleet.readings()
        self.assertEqual(sum(readings.half(way).rows for way in (0, 1)), readings.rows)
        series = readings.series()
        self.assertEqual([key[:2] for key in series], [(s, p) for s in range(2) for p in range(3)])
        self.assertEqual(sum(rows.stop - rows.start for _, _, rows in series), readings.rows)

    def test_the_tables_name_what_is_missing_and_who_is_smaller(self):
        peers = [{"peer": "x", "title": "X", "missing": "no wheel", "failures": []},
                 {"peer": "y", "title": "Y", "version": "1", "durability": "", "counted": "",
                  "failures": ["q1: wrong answer"],
                  "benchmark": {"a": {"bits_per_value": 2.0, "bulk_values_per_s": 1e6}}}]
        run = {"date": "d", "machine": "m", "tsq": "0", "measures": ["size"], "sensors": 2, "seconds": 150}
        result = {"run": run, "tsq": {"bits_per_value_hot": 3.0}, "real": {}, "peers": peers}
        parts = report.parts(result)
        self.assertIn("no wheel", parts["versions"])
        self.assertIn("q1: wrong answer", parts["versions"])
        self.assertIn("| Y 1 | a | 2.00 (0.67x) |", parts["sizes"])
        self.assertEqual(len(report.lost(result)), 1)
        path = os.path.join(self.folder, "document.md")
        with open(path, "w") as file:
            file.write("a\n<!-- peers:versions -->\nold\n<!-- /peers:versions -->\n"
                       "<!-- peers:sizes -->\n<!-- /peers:sizes -->\nz\n")
        report.write(path, result)
        report.write(path, result)
        with open(path) as file:
            text = file.read()
        self.assertEqual(text.count("no wheel"), 1)
        self.assertNotIn("old", text)


if __name__ == "__main__":
    unittest.main()
