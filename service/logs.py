"""JSON logs on stderr, one line an event, each with the id of the request it belongs to.

Loggers are structlog's in front of the standard library's: an event with named values. Whoever
embeds the application handles the records as any others; :func:`configure_logging` is for the
server's own process.
"""

import logging
import sys

import structlog
from asgi_correlation_id import correlation_id
from structlog.typing import EventDict, Processor, WrappedLogger


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of one part; its records carry the named values as attributes."""
    logger: structlog.stdlib.BoundLogger = structlog.wrap_logger(
        logging.getLogger(name),
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.render_to_log_kwargs,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    return logger


def add_request_id(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A processor: puts the current request's id under ``request_id``, when there is one."""
    request_id = correlation_id.get()
    if request_id is not None:
        event["request_id"] = request_id
    return event


def json_formatter() -> logging.Formatter:
    """Turns any record into one line of JSON."""
    every_record: list[Processor] = [
        add_request_id,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=every_record,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
    )


def configure_logging(level: str) -> None:
    """Send every record from ``level`` up to stderr as JSON. Changes the whole process."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(json_formatter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    # What these tell of a normal start and stop, the service tells itself.
    for name in ("uvicorn", "uvicorn.error", "alembic"):
        logging.getLogger(name).setLevel(max(root.level, logging.WARNING))
