"""Lines of structlog in a project with a ``LOGGING`` of its own."""

import logging

import structlog

from atoll import logs


def test_a_line_keeps_its_level_its_fields_and_its_traceback(caplog):
    log = structlog.wrap_logger(
        logging.getLogger("own"), processors=[logs._to_logging], wrapper_class=structlog.stdlib.BoundLogger
    )
    try:
        raise ValueError("broken")
    except ValueError:
        log.error("100 % refused", count=2, exc_info=True)

    (record,) = caplog.records
    assert (record.levelname, record.getMessage()) == ("ERROR", "100 % refused count=2")
    assert "ValueError: broken" in caplog.text
