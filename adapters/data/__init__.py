"""Readers of foreign data: recorded sessions, bus blocks, and the samples that ship.

Data is read by path; only what its licence allows is shipped (``samples/``, with attribution).
"""

from __future__ import annotations

from adapters.data.blocks import Block, read_blocks
from adapters.data.sessions import FORMATS, read_sessions, write_sessions

__all__ = ["FORMATS", "Block", "read_blocks", "read_sessions", "write_sessions"]
