"""Names are found by their bytes, all of them and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from operators.decode.names import find_all, name_table

IDS = st.one_of(
    st.text(max_size=20).filter(lambda s: s.isprintable()), st.from_regex(r"[A-C]{1,3}-0{0,9}[0-9]", fullmatch=True)
)


def find(ids: list[str], wanted: list[str]) -> Any:
    encoded = [name.encode() for name in wanted]
    bound = np.cumsum([0, *map(len, encoded)])
    return find_all(name_table(ids), np.frombuffer(b"".join(encoded), np.uint8), bound).tolist()


@given(st.lists(IDS, unique=True, max_size=40), st.lists(IDS, max_size=40))
def test_lookup_equals_a_dict(ids: list[str], others: list[str]) -> None:
    """Empty ids, ids that begin alike, of any length and in any script."""
    index = {name: i for i, name in enumerate(ids)}
    assert find(ids, ids + others) == [index.get(name, -1) for name in ids + others]


def test_numbered_ids_do_not_cluster() -> None:
    """A city numbers its sensors: a hash that sees only part of a name would look through all of them."""
    ids = [f"P-{i:06d}" for i in range(85_000)]
    table = name_table(ids)
    slots = int(table[0]) + 1
    used = np.flatnonzero(table[1 : slots + 1])
    longest_run = np.diff(np.flatnonzero(np.diff(np.concatenate([[-2], used])) > 1), append=len(used)).max()
    assert longest_run < 60
    assert find(ids, ids) == list(range(len(ids)))
