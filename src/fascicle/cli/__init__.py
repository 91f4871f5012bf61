"""The command line: a thin group of verbs over the same functions that Python users call.

Exit codes, the same for every command:

====  =============================================================================
0     done; something was found; all files agree
1     the answer is no: nothing was found, or a file is not as the index says
2     the command was not understood: an unknown option, a missing argument
3     it could not be done: one line on stderr says why and what to type next
130   interrupted (Ctrl-C)
141   the reader of the pipe went away
====  =============================================================================
"""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the ``fascicle`` command on the arguments of the process, then exit with its code."""
    from fascicle.cli.app import fascicle

    fascicle.main(prog_name="fascicle")
