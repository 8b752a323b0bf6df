"""The phone's bundle and the vectors its own code is checked against."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from plans.hazmat import offline, receptors
from plans.hazmat.lookup import substances

VECTORS = Path(__file__).resolve().parents[3] / "fixtures" / "hazmat_vectors.json"


def test_the_bundle_is_small_stable_and_whole() -> None:
    packed = offline.packed()
    assert len(packed) < 2_000_000
    assert packed == offline.packed()
    content = json.loads(gzip.decompress(packed))
    assert len(content["substances"]["rows"]) == len(substances())
    assert len(content["tables"]["table1"]["rows"]) == 272
    assert len(content["tables"]["table3"]["rows"]) == 26
    assert len(content["tables"]["hin"]["rows"]) == 97
    assert len(content["receptors"]["rows"]) == len(receptors.known())
    assert content["editions"]["erg"]["edition"] == "ERG 2024"
    assert content["rules"]["limits"]


def test_every_table_of_the_bundle_has_rows_as_long_as_its_columns() -> None:
    content = json.loads(offline.bundle())
    for table in (*content["tables"].values(), content["substances"], content["receptors"]):
        assert table["rows"]
        assert all(len(row) == len(table["columns"]) for row in table["rows"])


def test_the_vectors_on_file_are_what_the_hub_computes_today() -> None:
    on_file = json.loads(VECTORS.read_text(encoding="utf-8"))
    assert on_file == {"cases": json.loads(json.dumps(offline.vectors())), "searches": offline.searches()}
    assert len(on_file["cases"]) >= 100
    shapes = {zone["shape"] for vector in on_file["cases"] for zone in vector["expected"]["zones"]}
    assert shapes == {"circle", "wedge"}
