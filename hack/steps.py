"""Steps of a command: each shows its name and duration while it runs, and writes a log of its own."""

import contextlib
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

_TICK_ON_TERMINAL = 0.2
_TICK_ELSEWHERE = 30.0
_TAIL_LINES = 8


class StepError(Exception):
    """Failure of a step. The message is one sentence: the reason, and the remedy if there is one."""


class Step:
    """Step that runs; commands and their output are written to its log."""

    def __init__(self, name: str, log: Path) -> None:
        self.name = name
        self.log = log
        self.detail = ""
        self._file = log.open("wb")

    def note(self, detail: str) -> None:
        """Show a detail beside the duration: the current activity, or the result."""
        self.detail = detail

    def run(
        self,
        *command: str | Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        input_: str | None = None,
        check: bool = True,
        progress: re.Pattern[str] | None = None,
    ) -> str:
        """Run a command and return its standard output.

        The first group of the last match of `progress` in the output is shown as the step's detail. Raises StepError
        with the last line of standard error if the command fails and `check` is set.
        """
        words = [str(word) for word in command]
        self._file.write(f"$ {' '.join(words)}\n".encode())
        self._file.flush()
        process = subprocess.Popen(
            words,
            env=dict(env) if env is not None else None,
            cwd=cwd,
            stdin=subprocess.PIPE if input_ is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        output: list[bytes] = []
        errors: list[bytes] = []
        readers = [
            threading.Thread(target=self._read, args=(stream, lines, progress))
            for stream, lines in ((process.stdout, output), (process.stderr, errors))
        ]
        for reader in readers:
            reader.start()
        if input_ is not None and process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(input_.encode())
                process.stdin.close()
        code = process.wait()
        for reader in readers:
            reader.join()
        if check and code != 0:
            last = next((line.decode(errors="replace").strip() for line in reversed(errors) if line.strip()), "")
            raise StepError(f"`{' '.join(words[:3])} …` ended with exit code {code}{': ' + last if last else ''}")
        return b"".join(output).decode(errors="replace")

    def _read(self, stream: IO[bytes], lines: list[bytes], progress: re.Pattern[str] | None) -> None:
        for line in stream:
            self._file.write(line)
            self._file.flush()
            lines.append(line)
            if progress is not None and (found := progress.search(line.decode(errors="replace"))):
                self.note(found.group(1))

    def tail(self) -> str:
        """Return the last lines of the log, indented."""
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(f"    {line[:300]}" for line in lines[-_TAIL_LINES:])

    def close(self) -> None:
        """Close the log."""
        self._file.close()


class Steps:
    """Steps of one command, with their logs in one directory."""

    def __init__(self, logs: Path) -> None:
        logs.mkdir(parents=True, exist_ok=True)
        self._logs = logs
        self._terminal = sys.stdout.isatty()
        self._started = time.monotonic()

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Run the block as a step.

        A StepError, an OSError or a SubprocessError is printed with the end of the log, and ends the program.
        """
        step = Step(name, self._logs / f"{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-')}.log")
        started = time.monotonic()
        ended = threading.Event()
        ticker = threading.Thread(target=self._tick, args=(step, started, ended), daemon=True)
        ticker.start()
        try:
            yield step
        except (StepError, OSError, subprocess.SubprocessError) as problem:
            _end(ticker, ended)
            self._line("✗", step, started, last=True)
            step.close()
            print(f"\nFailed: {name}\n  why: {problem}\n  log: {step.log}", flush=True)
            if tail := step.tail():
                print(tail, flush=True)
            raise SystemExit(1) from problem
        except BaseException:
            _end(ticker, ended)
            step.close()
            raise
        _end(ticker, ended)
        self._line("✓", step, started, last=True)
        step.close()

    @property
    def elapsed(self) -> float:
        """Seconds since this object was created."""
        return time.monotonic() - self._started

    def _tick(self, step: Step, started: float, ended: threading.Event) -> None:
        if not self._terminal:
            print(f"  … {step.name}", flush=True)
        while not ended.wait(_TICK_ON_TERMINAL if self._terminal else _TICK_ELSEWHERE):
            self._line("…", step, started, last=False)

    def _line(self, mark: str, step: Step, started: float, *, last: bool) -> None:
        seconds = time.monotonic() - started
        detail = f"  {step.detail}" if step.detail else ""
        text = f"  {mark} {step.name:<46}{seconds:7.1f} s{detail}"
        if self._terminal:
            print(f"\r\033[K{text[:150]}", end="\n" if last else "", flush=True)
        else:
            print(text, flush=True)


def _end(ticker: threading.Thread, ended: threading.Event) -> None:
    ended.set()
    ticker.join()
