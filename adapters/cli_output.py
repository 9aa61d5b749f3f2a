"""What commands print: one document on standard output, everything else on standard error."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

messages = Console(stderr=True, highlight=False)
"""For people: progress, warnings, tables beside a document."""


def say(text: str, *, style: str | None = None) -> None:
    """One line on standard error, taken as it is and never wrapped."""
    messages.print(text, style=style, markup=False, soft_wrap=True)


def tables() -> Console:
    """For people: the answer itself, on standard output."""
    # Into a file or a pipe there is no screen to fit: 80 columns would only cut words.
    return Console(highlight=False, width=None if sys.stdout.isatty() else 120)


def language(lang: str, *, both: bool = False) -> str:
    """The language asked for with ``--lang``.

    Parameters
    ----------
    lang : str
    both : bool
        ``both`` is one more.

    Raises
    ------
    typer.BadParameter
        If it is none of them.
    """
    known = ("en", "zh", "both") if both else ("en", "zh")
    if lang not in known:
        raise typer.BadParameter(
            f"'{lang}' is not to be had: say {', '.join(known[:-1])} or {known[-1]}",
            param_hint="--lang",
        )
    return lang


def print_document(document: Mapping[str, Any]) -> None:
    """One JSON document on standard output; NaN and infinity, which JSON lacks, become null."""
    sys.stdout.write(json.dumps(_plain(document), ensure_ascii=False, indent=2) + "\n")
    sys.stdout.flush()


def _plain(value: Any) -> Any:
    if isinstance(value, bool | str | int) or value is None:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, Sequence | set | frozenset):
        return [_plain(v) for v in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    raise TypeError(f"{type(value).__name__} has no place in a document")
