"""How far long work is: lines in the log, bars on a terminal."""

from __future__ import annotations

import fcntl
import logging
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from mesomode import progress as module
from mesomode.access.transfers import Transfers
from mesomode.progress import Convergence, Progress

LOG = logging.getLogger("mesomode.test")

WORK = """
import logging, sys, time
from mesomode import logs, progress
from mesomode.steps import logger

progress.LINE_SECONDS, progress.Progress.__init__.__defaults__ = 0.2, ("items", 0.2)

def work():
    counted = progress.Progress(logger, "counting", 5, "numbers")
    try:
        for number in range(5):
            time.sleep(0.25)
            if number == 2:
                logger.info("in the middle")
            counted.update(1, f"number {number}")
            if number == 3 and "fail" in sys.argv:
                raise ValueError("broken")
    finally:
        progress.stop()

log = sys.argv[sys.argv.index("--log") + 1] if "--log" in sys.argv else None
logs.with_log("count", log, work)
"""


@pytest.fixture
def clock(monkeypatch):
    """A clock that is put forward by hand."""
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_a_line_every_half_minute_says_rate_and_time_left(clock, caplog):
    caplog.set_level(logging.INFO, LOG.name)
    progress = Progress(LOG, "fits", 10, "fits")
    for _ in range(10):
        clock[0] += 10
        progress.update()
    assert caplog.messages == [
        "fits: 3/10 fits, 0.1/s, 1:10 left",
        "fits: 6/10 fits, 0.1/s, 0:40 left",
        "fits: 9/10 fits, 0.1/s, 0:10 left",
        "fits: 10/10 fits, 0.1/s, done in 1:40",
    ]


def test_work_of_which_there_is_none_is_done(caplog):
    caplog.set_level(logging.INFO, LOG.name)
    Progress(LOG, "fits", 0).update(0)
    assert "0/0 items" in caplog.text and "done in 0:00" in caplog.text


def test_an_iteration_is_as_far_as_its_measure_has_fallen(clock, caplog):
    caplog.set_level(logging.INFO, LOG.name)
    progress = Convergence(LOG, "fit", 1e-6, "products")
    for done, measure in ((5, float("nan")), (10, 1.0), (20, 1e-2), (30, 1e-4), (40, 1e-1)):
        clock[0] += 30
        progress.reach(done, measure, f"gap {measure:g}")
    assert caplog.messages == [
        "fit: 5 products, 0.167/s  gap nan",
        "fit: 10 products, 0.167/s  gap 1",
        "fit: 20 products, 0.222/s, about 1:00 left  gap 0.01",
        "fit: 30 products, 0.25/s, about 0:30 left  gap 0.0001",
        "fit: 40 products, 0.267/s, about 7:30 left  gap 0.1",
    ]
    progress.reach(50, 1e-9)
    assert progress.fraction == 1.0


def test_downloads_count_bytes(clock, caplog):
    caplog.set_level(logging.INFO, LOG.name)
    transfers = Transfers(LOG, "volumes", 2, "files")
    transfers.expect(Path("a"), 4_000_000, 0)
    clock[0] += 30
    transfers.receive(2_000_000)
    assert transfers.fraction == 0.25
    assert caplog.messages == ["volumes: 0/2 files, 2 MB of about 8 MB, 1:30 left, 66.7 kB/s"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0:00"), (75, "1:15"), (7261, "2:01:01"), (float("inf"), "?")]
)
def test_times(seconds, text):
    assert module.clock(seconds) == text


def on_a_terminal(*arguments: str, term: str = "xterm-256color") -> tuple[int, str]:
    """Exit status and all that appears on a pseudo-terminal that WORK has as standard error."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    # what the machine that runs the tests says of colours and terminals is not to matter
    hidden = ("NO_COLOR", "FORCE_COLOR", "TTY_INTERACTIVE", "TTY_COMPATIBLE", "COLUMNS")
    environment = {k: v for k, v in os.environ.items() if k not in hidden}
    process = subprocess.Popen(
        [sys.executable, "-c", WORK, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        env=environment | {"TERM": term},
    )
    os.close(theirs)
    seen = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # what Linux says when the other side is closed
            break
        if not piece:
            break
        seen += piece
    os.close(ours)
    return process.wait(timeout=30), seen.decode()


def test_a_bar_on_a_terminal_with_messages_above_it():
    status, seen = on_a_terminal()
    assert status == 0, seen
    assert "━" in seen and re.search(r"[1-4]/5 numbers, [\d.]+/s, 0:0\d left", seen)
    assert "\x1b[?25l" in seen and seen.rindex("\x1b[?25h") > seen.rindex("━"), "cursor is back"
    assert re.search(r"^\S* ?count: in the middle\r?$|count: in the middle", seen, re.MULTILINE)
    assert "counting: 5/5 numbers" in seen and "done in" in seen


def test_a_bar_goes_when_the_work_fails():
    status, seen = on_a_terminal("fail")
    assert status == 1
    assert seen.rindex("\x1b[?25h") > seen.rindex("━"), "the cursor is back"
    assert "ValueError: broken" in seen[seen.rindex("\x1b[?25h") :], "the error stays readable"


@pytest.mark.parametrize("arguments", [("--log", "count.log"), ()], ids=["with --log", "dumb"])
def test_lines_on_a_terminal_that_jobs_share_or_that_cannot_draw(tmp_path, arguments):
    arguments = tuple(str(tmp_path / a) if a.endswith(".log") else a for a in arguments)
    status, seen = on_a_terminal(*arguments, term="xterm" if arguments else "dumb")
    assert status == 0
    assert "━" not in seen and "\x1b" not in seen
    assert re.search(r"counting: [1-4]/5 numbers, .* left  number \d", seen)
    if arguments:
        assert "counting: 5/5 numbers" in Path(arguments[1]).read_text()


def test_lines_in_a_pipe():
    done = subprocess.run([sys.executable, "-c", WORK], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stderr and "━" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if "counting:" in line]
    assert 3 <= len(lines) <= 5 and "done in" in lines[-1]
