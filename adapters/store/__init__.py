"""What must outlive the process: journal, snapshots, setpoints sent; SQLite in WAL mode."""

from __future__ import annotations

from adapters.store.recovery import Stored, recover
from adapters.store.writer import Batch, Writer

__all__ = ["Batch", "Stored", "Writer", "recover"]
