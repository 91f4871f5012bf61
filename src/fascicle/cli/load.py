"""``fascicle load``: one object of one session, summed up or written to a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fascicle.cli import output
from fascicle.cli.app import debug_option
from fascicle.cli.where import in_option, open_session
from fascicle.errors import FascicleError

if TYPE_CHECKING:
    import pandas as pd

    from fascicle.load import AlfBunch

SUFFIXES = (".npz", ".csv", ".pqt")


def _target(ctx: click.Context, param: click.Parameter, value: Path | None) -> Path | None:
    if value is not None and value.suffix not in SUFFIXES:
        raise click.BadParameter(f"{value.name!r} has to end in {', '.join(SUFFIXES)}", ctx, param)
    if value is not None and not value.parent.is_dir():
        raise click.BadParameter(f"there is no folder {str(value.parent)!r}", ctx, param)
    return value


@click.command(short_help="Load an OBJECT of a SESSION, or write it to a file.")
@click.argument("session", metavar="SESSION")
@click.argument("object", metavar="OBJECT")
@click.option("--collection", metavar="NAME", help="Where it is, if several collections have one.")
@click.option("--revision", metavar="NAME", help="The last revision up to this one.")
@click.option(
    "--attribute", metavar="NAME", multiple=True, help="Only this attribute, once or several times."
)
@click.option(
    "--to",
    "target",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=_target,
    help="Write a .npz (all arrays), .csv or .pqt (a table) instead of the summary.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@in_option
@debug_option
def load(
    session: str,
    object: str,
    collection: str | None,
    revision: str | None,
    attribute: Sequence[str],
    target: Path | None,
    as_json: bool,
    places: Sequence[str],
) -> None:
    """Load an OBJECT of a SESSION: print what it holds, or write it to a file.

    \b
    Examples:
      fascicle load EID trials
      fascicle load EID trials --to trials.csv
      fascicle load EID spikes --collection alf/probe00/pykilosort --to spikes.npz
    """
    bunch = open_session(places, session).load(
        object,
        collection=collection,
        attribute=list(attribute) or None,
        revision=revision,
        mmap=target is None,
    )
    if target is not None:
        _write(bunch, target)
        click.echo(f"{target}: {output.human_bytes(target.stat().st_size)}")
        return
    summary = [_summary(key, value) for key, value in bunch.items()]
    if as_json:
        output.as_json(summary)
        return
    output.table(
        ["attribute", "type", "shape", "min", "max"],
        [
            [row["attribute"], row["type"], row["shape"], _short(row["min"]), _short(row["max"])]
            for row in summary
        ],
    )


def _summary(key: str, value: Any) -> dict[str, Any]:
    """Return name, type, shape and range of one attribute; the range of numbers alone."""
    import numpy as np

    row: dict[str, Any] = {"attribute": key, "type": "", "shape": "", "min": None, "max": None}
    shape = getattr(value, "shape", None)
    row["type"] = str(value.dtype) if hasattr(value, "dtype") else type(value).__name__
    if shape is not None:
        row["shape"] = " x ".join(map(str, shape))
    elif hasattr(value, "__len__") and not isinstance(value, Path):
        row["shape"] = str(len(value))
    if isinstance(value, np.ndarray) and value.dtype.kind in "iuf" and value.size:
        finite = value[np.isfinite(value)] if value.dtype.kind == "f" else value
        if finite.size:
            row["min"], row["max"] = finite.min().item(), finite.max().item()
    return row


def _short(value: float | int | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _write(bunch: AlfBunch, target: Path) -> None:
    if target.suffix == ".npz":
        _write_npz(bunch, target)
        return
    try:
        frame = bunch.to_df()
    except ValueError as error:
        raise FascicleError(
            f"the attributes are no one table: {error}",
            hint=f"write {target.with_suffix('.npz')}, or choose some with --attribute",
        ) from error
    _complain_of(bunch, [key for key, value in bunch.items() if isinstance(value, dict)])
    if target.suffix == ".csv":
        frame.to_csv(target, index=False)
    else:
        _write_parquet(frame, target)


def _write_parquet(frame: pd.DataFrame, target: Path) -> None:
    """Write a table with the key that some releases of ONE-api look for in its metadata."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(frame)
    metadata = {**(table.schema.metadata or {}), b"one_metadata": b"{}"}
    pq.write_table(table.replace_schema_metadata(metadata), target)


def _complain_of(bunch: AlfBunch, left: list[str]) -> None:
    """Say which attributes are not written; that is an error if there are no others."""
    if left and len(left) == len(bunch):
        raise FascicleError(
            f"there is nothing to write: {', '.join(left)} is no array and no table",
            hint="fascicle.open(…).open(…).load(…) in Python returns it",
        )
    if left:
        output.note(f"not written, since they are no arrays: {', '.join(left)}")


def _write_npz(bunch: AlfBunch, target: Path) -> None:
    import numpy as np

    arrays: dict[str, Any] = {}
    left = []
    for key, value in bunch.items():
        if isinstance(value, np.ndarray):
            arrays[key] = value
        elif hasattr(value, "columns"):  # a table: one array per column
            arrays.update({f"{key}.{name}": column.to_numpy() for name, column in value.items()})
        elif hasattr(value, "to_numpy"):  # a column
            arrays[key] = value.to_numpy()
        else:
            left.append(key)
    for key, value in arrays.items():  # text as fixed-width text: no pickle is needed to read it
        if value.dtype.hasobject:
            arrays[key] = value.astype(str)
    _complain_of(bunch, left)
    np.savez(target, **arrays)
