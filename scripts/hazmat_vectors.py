"""Write tests/fixtures/hazmat_vectors.json: inputs and results by which the phone's lookup and wedge are checked against the hub's.

usage: hazmat_vectors.py [FILE]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from plans.hazmat import offline

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "tests" / "fixtures" / "hazmat_vectors.json"
    lines = ",\n".join(json.dumps(vector, ensure_ascii=False, separators=(",", ":")) for vector in offline.vectors())
    searches = json.dumps(offline.searches(), ensure_ascii=False, separators=(",", ":"))
    target.write_text(f'{{"cases":[\n{lines}\n],\n"searches":{searches}}}\n', encoding="utf-8")
    print(f"{target}: {len(offline.vectors())} cases")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
