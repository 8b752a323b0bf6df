"""Identifiers and salts: nobody has the same ones, not even a forked child, and no system is asked for what it does not have."""

from __future__ import annotations

import os
import subprocess
import sys

from hub.ids import is_id, new_id, random_bytes

WITHOUT_FORK = "import os; del os.register_at_fork; from hub.ids import is_id, new_id; assert is_id(new_id())"


def test_ids_and_random_bytes_never_come_twice() -> None:
    ids, salts = {new_id() for _ in range(2_000)}, {random_bytes() for _ in range(2_000)}
    assert len(ids) == len(salts) == 2_000
    assert all(is_id(id) for id in ids) and {len(salt) for salt in salts} == {16}


def test_a_forked_child_has_random_bytes_of_its_own() -> None:
    random_bytes()  # the parent holds some that it has not given away
    told, tell = os.pipe()
    child = os.fork()
    if not child:
        os.write(tell, b"".join(random_bytes() for _ in range(64)))
        os._exit(0)
    os.waitpid(child, 0)
    os.close(tell)
    with os.fdopen(told, "rb") as said:
        theirs = said.read()
    assert {theirs[at : at + 16] for at in range(0, len(theirs), 16)}.isdisjoint(random_bytes() for _ in range(512))
    assert len(theirs) == 64 * 16


def test_a_system_that_forks_nothing_makes_ids_too() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_FORK], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
