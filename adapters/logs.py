"""Logs of a service: one line each, JSON where a machine reads, on standard error."""

from __future__ import annotations

import logging
import sys

import structlog

LEVEL = logging.INFO


def set_up_logs() -> None:
    """Send everything that is logged through structlog to standard error.

    A terminal gets plain lines; anything else gets JSON with time, level, logger and text. A
    program that has set up its own logging keeps it.
    """
    root = logging.getLogger()
    if root.handlers:
        return
    before: list[structlog.types.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    render: structlog.types.Processor = structlog.processors.JSONRenderer(ensure_ascii=False)
    if sys.stderr.isatty():
        render = structlog.dev.ConsoleRenderer()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                render,
            ],
        )
    )
    root.addHandler(handler)
    root.setLevel(LEVEL)
