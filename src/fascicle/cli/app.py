"""The group of commands, and what all of them share: how they fail, warn, stop and exit."""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

import click

from fascicle import __version__
from fascicle.errors import FascicleError

OK, NO, FAILED, INTERRUPTED, PIPE_CLOSED = 0, 1, 3, 130, 141

# Hints are written for Python; those of their arguments that are options here are said as such.
_ARGUMENT = re.compile(r'\b(collection|revision|region|hemisphere|qc|lab|date|number)="([^"]*)"')

_Command = TypeVar("_Command", bound=Callable[..., Any])


def debug_option(command: _Command) -> _Command:
    """Add ``--debug``, which is understood before and after the name of the command."""

    def remember(ctx: click.Context, _: click.Parameter, value: bool) -> None:
        if value:
            ctx.find_root().meta["fascicle.debug"] = True

    return click.option(
        "--debug",
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=remember,
        help="Show the whole trace of an error.",
    )(command)


class Commands(click.Group):
    """A group whose commands fail in one line, and end quietly when their reader is gone."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; turn what went wrong into one line and an exit code."""
        try:
            with _warnings_in_one_line():
                answer = super().invoke(ctx)
                sys.stdout.flush()
                return answer
        except BrokenPipeError:
            _close_quietly()
            ctx.exit(PIPE_CLOSED)
        except KeyboardInterrupt:
            click.echo("fascicle: interrupted", err=True)
            ctx.exit(INTERRUPTED)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if ctx.find_root().meta.get("fascicle.debug"):
                raise
            _fail(ctx, error)


def _fail(ctx: click.Context, error: Exception) -> NoReturn:
    if isinstance(error, FascicleError):
        text, hint = error.message, error.hint
    elif isinstance(error, OSError):
        text = f"{error.strerror}: {error.filename}" if error.filename else str(error)
        hint = ""
    else:
        text = f"unexpected {type(error).__name__}: {error}"
        hint = "this is a fault of fascicle: run again with --debug for the trace"
    hint = _ARGUMENT.sub(r"--\1 '\2'", one_line(hint))
    click.echo(f"fascicle: {one_line(text)}" + (f" ({hint})" if hint else ""), err=True)
    ctx.exit(FAILED)


def one_line(text: str) -> str:
    """Return the text with each run of white space, line ends included, as one space."""
    return " ".join(text.split())


@contextmanager
def _warnings_in_one_line() -> Iterator[None]:
    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        click.echo(f"fascicle: {one_line(str(message))}", err=True)

    with warnings.catch_warnings():
        warnings.simplefilter("default", UserWarning)
        warnings.showwarning = show
        yield


def _close_quietly() -> None:
    # What is still in the buffer would raise again when the interpreter flushes it at exit.
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, sys.stdout.fileno())
    except (OSError, ValueError):
        sys.stdout = open(null, "w")  # noqa: SIM115 - it lives as long as the process


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", message="fascicle %(version)s")
@debug_option
def fascicle() -> None:
    """Find, get, load, convert and release neurophysiology recordings.

    \b
    Examples:
      fascicle demo                                make a synthetic lab to play with
      fascicle index ~/data                        say what a folder holds
      fascicle find --region TH --dataset spikes   sessions with spikes from the thalamus
      fascicle load EID trials --to trials.csv     one object of one session as a table
      fascicle get EID --dataset spikes --to DIR   files of a session, from any archive
      fascicle convert EID --to DIR                a session as an NWB file
      fascicle release create DIR --version 1.0.0 --to s3://bucket/project
      fascicle serve ~/data                        a lab's database, for any client of Alyx

    \b
    Exit codes: 0 done or found, 1 nothing found or a file differs, 2 not understood,
    3 could not be done, 130 interrupted, 141 the reader of the pipe went away.
    """


def _add_commands() -> None:
    from fascicle.cli import (
        cache,
        cite,
        convert,
        demo,
        find,
        get,
        hub,
        index,
        load,
        lock,
        login,
        release,
        serve,
        show,
        verify,
    )

    for command in (
        index.index,
        find.find,
        get.get,
        show.ls,
        show.info,
        load.load,
        convert.convert,
        verify.verify,
        release.release,
        cache.cache,
        lock.lock,
        lock.sync,
        cite.cite,
        serve.serve,
        hub.hub,
        login.login,
        login.logout,
        demo.demo,
    ):
        fascicle.add_command(command)


_add_commands()
