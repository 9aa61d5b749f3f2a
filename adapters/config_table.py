"""Reading a TOML table key by key: what is unknown, missing or of the wrong kind is named."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

from models.errors import ConfigurationError


class _Must:
    """Marks a key that has no default."""


MUST: Final = _Must()


def nearest(word: str, known: Iterable[str]) -> str:
    """Words for a hint: the known word most like this one, or all of them."""
    words = sorted(known)
    # Case first: `offline_kW` is no typing error that a ratio would find far away.
    by_case = [k for k in words if k.lower() == word.lower()]
    close = by_case or difflib.get_close_matches(word, words, n=1, cutoff=0.55)
    if close:
        return f"did you mean {close[0]}?"
    return f"known here: {', '.join(words)}"


class Table:
    """One TOML table whose keys are all known.

    Parameters
    ----------
    data : mapping
        As :mod:`tomllib` gives it.
    where : str
        Its key path, for messages; empty for the whole file.
    known : sequence of str
        Every key that may stand here.

    Raises
    ------
    ConfigurationError
        If a key is unknown. Unknown keys come before missing ones: a misspelt key is both, and
        the misspelling is the news.
    """

    def __init__(self, data: Any, where: str, known: Sequence[str]) -> None:
        if not isinstance(data, Mapping):
            raise ConfigurationError(f"{data!r} is no table", where=where)
        self.data: Mapping[str, Any] = data
        self.where = where
        for key in data:
            if key not in known:
                raise ConfigurationError(
                    "the key is unknown", where=self.at(key), fix=nearest(key, known)
                )

    def at(self, key: str) -> str:
        """Key path of a key of this table."""
        return f"{self.where}.{key}" if self.where else key

    def __contains__(self, key: str) -> bool:
        return key in self.data

    def get(self, key: str, default: Any = MUST, *, fix: str = "") -> Any:
        """The value as it stands, or the default; a missing key without default is refused."""
        if key in self.data:
            return self.data[key]
        if isinstance(default, _Must):
            raise ConfigurationError(
                "the key is missing and has no default", where=self.at(key), fix=fix
            )
        return default

    def number(self, key: str, default: Any = MUST, *, fix: str = "") -> Any:
        """A finite number as float; a default is returned as it is."""
        value = self.get(key, default, fix=fix)
        if key not in self.data:
            return value
        return self._finite(value, key)

    def _finite(self, value: Any, key: str) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ConfigurationError(f"{value!r} is no number", where=self.at(key))
        if not math.isfinite(value):
            raise ConfigurationError(f"{value} is no finite number", where=self.at(key))
        return float(value)

    def numbers(self, key: str, default: Any = MUST) -> Any:
        """A list of finite numbers as a tuple of float."""
        value = self.get(key, default)
        if key not in self.data:
            return value
        if not isinstance(value, list):
            raise ConfigurationError(f"{value!r} is no list of numbers", where=self.at(key))
        return tuple(self._finite(v, f"{key}[{i}]") for i, v in enumerate(value))

    def integers(self, key: str, default: Any = MUST) -> Any:
        """A list of whole numbers as a tuple of int."""
        value = self.get(key, default)
        if key not in self.data:
            return value
        if not isinstance(value, list) or any(type(v) is not int for v in value):
            raise ConfigurationError(f"{value!r} is no list of whole numbers", where=self.at(key))
        return tuple(value)

    def integer(self, key: str, default: Any = MUST, *, fix: str = "") -> Any:
        """A whole number."""
        value = self.get(key, default, fix=fix)
        if key in self.data and type(value) is not int:
            raise ConfigurationError(f"{value!r} is no whole number", where=self.at(key))
        return value

    def text(self, key: str, default: Any = MUST, *, fix: str = "") -> Any:
        """A string that is not empty."""
        value = self.get(key, default, fix=fix)
        if key in self.data and not (isinstance(value, str) and value):
            raise ConfigurationError(f"{value!r} is no text", where=self.at(key))
        return value

    def texts(self, key: str, default: Any = MUST) -> Any:
        """A list of strings as a tuple."""
        value = self.get(key, default)
        if key not in self.data:
            return value
        if not isinstance(value, list) or any(not isinstance(v, str) for v in value):
            raise ConfigurationError(f"{value!r} is no list of texts", where=self.at(key))
        return tuple(value)

    def flag(self, key: str, default: Any = MUST) -> Any:
        """True or false."""
        value = self.get(key, default)
        if key in self.data and not isinstance(value, bool):
            raise ConfigurationError(f"{value!r} is not true or false", where=self.at(key))
        return value

    def choice(self, key: str, words: Sequence[str], default: Any = MUST) -> Any:
        """One of a few words."""
        value = self.get(key, default, fix=f"one of {', '.join(words)}")
        if key in self.data and value not in words:
            hint = nearest(value, words) if isinstance(value, str) else ", ".join(words)
            raise ConfigurationError(
                f"{value!r} is none of its words", where=self.at(key), fix=hint
            )
        return value

    def day(self, key: str) -> date:
        """A local date, written without quotes."""
        value = self.get(key)
        if not isinstance(value, date) or isinstance(value, datetime):
            raise ConfigurationError(
                f"{value!r} is no date", where=self.at(key), fix="write it as 2026-07-01"
            )
        return value

    def tables(self, key: str, default: Any = MUST) -> Any:
        """An array of tables as a list of mappings."""
        value = self.get(key, default)
        if key not in self.data:
            return value
        if not isinstance(value, list) or any(not isinstance(v, Mapping) for v in value):
            raise ConfigurationError(f"write it as [[{self.at(key)}]]", where=self.at(key))
        return value
