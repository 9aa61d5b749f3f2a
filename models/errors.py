"""Errors that say what is wrong, where it stands, and what to do."""

from __future__ import annotations


class ValleyfillError(Exception):
    """Base of every error raised on purpose.

    Parameters
    ----------
    what : str
        One sentence: what is wrong, with the offending value.
    where : str
        Where it stands: a key path, a topic, a file, an id. Empty when there is no place.
    fix : str
        What to do about it. Empty when the first sentence says it.
    """

    code = "error"

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        self.what = what
        self.where = where
        self.fix = fix
        super().__init__(self._text())

    def _text(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text} ({self.fix})" if self.fix else text


class InvalidValueError(ValleyfillError):
    """A number, an instant or an id that no valid object can hold."""

    code = "invalid_value"


class ConfigurationError(ValleyfillError):
    """A site that cannot be run as it is written."""

    code = "configuration"


class TariffError(ValleyfillError):
    """A tariff that has a gap, an overlap, or lacks a number it needs."""

    code = "tariff"


class TariffGapError(TariffError):
    """A tariff that says nothing for some time of day, or for some day."""

    code = "tariff_gap"


class DataError(ValleyfillError):
    """A file of sessions, blocks or series that cannot be read as what it claims to be."""

    code = "data"


class StoreError(ValleyfillError):
    """The database cannot be opened, written or trusted."""

    code = "store"
