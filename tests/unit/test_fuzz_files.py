"""Files as operators and others write them, broken at random: refused by name, never a crash."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.books import load_book
from adapters.config import parse_site
from adapters.data import read_sessions
from adapters.data.blocks import read_blocks
from adapters.data.samples import sample_path
from adapters.import_urdb import read_json, urdb_book
from models.errors import ValleyfillError

ROOT = Path(__file__).parents[2]
EACH = 250

WORDS = ("", "-1", "nan", "1e309", "9" * 40, "inf", "[]", "{}", "true", "\x00", "日", "2026-02-30")

PLAIN = """\
session,pile,arrival,departure,delivered_kwh
s1,A 1,2026-07-01T08:00:00+08:00,2026-07-01T12:00:00+08:00,9
s2,A-2,2026-07-01T08:00:00+08:00,2026-07-01T12:00:00+08:00,9
"""

ACN = json.dumps(
    {
        "_meta": {"site": "x"},
        "_items": [
            {
                "_id": "1",
                "sessionID": "s1",
                "stationID": "2-39-78-362",
                "connectionTime": "Wed, 25 Apr 2018 11:08:04 GMT",
                "disconnectTime": "Wed, 25 Apr 2018 13:20:10 GMT",
                "doneChargingTime": "Wed, 25 Apr 2018 13:21:10 GMT",
                "kWhDelivered": 7.932,
                "timezone": "America/Los_Angeles",
                "userInputs": [
                    {"kWhRequested": 9.0, "requestedDeparture": "Wed, 25 Apr 2018 14:00:00 GMT"}
                ],
            }
        ],
    }
)

URDB = json.dumps(
    {
        "name": "r",
        "utility": "u",
        "energyratestructure": [[{"rate": 0.1}], [{"rate": 0.2, "adj": 0.01}]],
        "energyweekdayschedule": [[0] * 12 + [1] * 12] * 12,
        "energyweekendschedule": [[0] * 24] * 12,
    }
)


def broken(text: str, chance: random.Random) -> bytes:
    """The text with something done to it: a value, a line, some bytes, or its end."""
    way = chance.randrange(5)
    if way == 0:
        parts = text.replace("=", ",").split(",") if chance.random() < 0.3 else text.split(",")
        parts[chance.randrange(len(parts))] = chance.choice(WORDS)
        return ",".join(parts).encode()
    lines = text.splitlines()
    if way == 1:
        k = chance.randrange(len(lines))
        key, sign, _ = lines[k].partition("=" if "=" in lines[k] else ":")
        lines[k] = key + sign + chance.choice(WORDS)
        return "\n".join(lines).encode()
    if way == 2:
        lines.insert(chance.randrange(len(lines)), lines[chance.randrange(len(lines))])
        return "\n".join(lines).encode()
    data = bytearray(text.encode())
    if way == 3:
        for _ in range(chance.randint(1, 6)):
            data[chance.randrange(len(data))] = chance.randrange(256)
    else:
        del data[chance.randrange(len(data)) :]
    return bytes(data)


READERS: dict[str, tuple[str, str, Callable[[Path], object]]] = {
    "site": (
        (ROOT / "examples" / "depot-1.toml").read_text(),
        ".toml",
        lambda p: parse_site(p.read_text(encoding="utf-8", errors="replace"), path=p),
    ),
    "book": (
        (ROOT / "tariffs" / "books" / "zhejiang-2026.toml").read_text(),
        ".toml",
        lambda p: load_book(str(p)),
    ),
    "plain": (PLAIN, ".csv", read_sessions),
    "acn": (ACN, ".json", read_sessions),
    "blocks": (
        sample_path("nyc_ch_blocks.csv").read_text()[:2500].rpartition("\n")[0],
        ".csv",
        read_blocks,
    ),
    "urdb": (
        URDB,
        ".json",
        lambda p: urdb_book(read_json(p), name="r", timezone="America/New_York"),
    ),
}


@pytest.mark.parametrize("kind", sorted(READERS))
def test_a_broken_file_is_read_or_refused_and_nothing_else(kind: str, tmp_path: Path) -> None:
    text, suffix, read = READERS[kind]
    chance, refused = random.Random(f"file {kind}"), 0
    file = tmp_path / f"file{suffix}"
    file.write_text(text)
    read(file)
    for number in range(EACH):
        file.write_bytes(broken(text, chance))
        try:
            read(file)
        except ValleyfillError:
            refused += 1
        except Exception as problem:
            raise AssertionError(f"{number}: {file.read_bytes()[:3000]!r}") from problem
    assert refused > EACH / 10
