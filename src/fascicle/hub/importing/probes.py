"""Probe insertions of a folder: their datasets, and where their channels are in the brain."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from fascicle.catalogue import Catalogue, Datasets
from fascicle.catalogue import Insertion as Found
from fascicle.catalogue.regions import Dataset as Option
from fascicle.catalogue.regions import choose
from fascicle.errors import BadFileError
from fascicle.hub.importing.base import make
from fascicle.hub.importing.report import ImportReport, chunks
from fascicle.hub.importing.rows import Written
from fascicle.hub.models import (
    BrainRegion,
    Channel,
    CoordinateSystem,
    ProbeInsertion,
    ProbeModel,
    TrajectoryEstimate,
)
from fascicle.hub.records import count_regions, link_datasets
from fascicle.load.npy import read_npy

ALIGNED = int(TrajectoryEstimate.Provenance.EPHYS_ALIGNED)  # type: ignore[call-overload]
_SOURCE = "channels read from"


class Probes:
    """Writes the insertions of a catalogue's sessions, with trajectories and channels.

    Parameters
    ----------
    catalogue : Catalogue
        Of the hub's folder.
    report : ImportReport
        Counts what is done.
    """

    def __init__(self, catalogue: Catalogue, report: ImportReport) -> None:
        self.catalogue = catalogue
        self.report = report
        self.models: dict[str, UUID] = {}
        for pk, name, model in ProbeModel.objects.values_list("pk", "name", "probe_model"):
            self.models[name] = self.models[model] = pk
        self.regions = set(BrainRegion.objects.values_list("pk", flat=True))
        self.system = CoordinateSystem.objects.filter(name="IBL-Allen").first()

    def write(self, written: Written) -> None:
        """Write the insertions of sessions; the caller holds a transaction."""
        known = {
            (session, name): pk
            for ids in chunks(written.eids.values(), 500)
            for pk, session, name in ProbeInsertion.objects.filter(session_id__in=ids).values_list(
                "pk", "session_id", "name"
            )
        }
        taken = set(known.values())
        fresh: list[ProbeInsertion] = []
        sources = self._sources(written)
        pids: list[tuple[UUID, Found, str]] = []
        for p in self.catalogue.insertions(sorted(written.eids)):
            eid = written.eids[p.row]
            pid = known.get((eid, p.name))
            if pid is None:
                row = ProbeInsertion(
                    session_id=eid, name=p.name, serial=p.serial, model_id=self._model(p.model)
                )
                if p.pid not in taken:
                    row.id = p.pid
                fresh.append(row)
                pid = row.pk
            pids.append((pid, p, sources.get(p.pid.bytes, "")))
        make(fresh, self.report)
        link_datasets([pid for pid, _, _ in pids])
        self._trajectories(pids)

    def _model(self, name: str) -> UUID | None:
        if not name:
            return None
        if name not in self.models:
            row = ProbeModel.objects.create(name=name, probe_model=name)
            self.report.created["probe models"] += 1
            self.models[name] = row.pk
        return self.models[name]

    def _sources(self, written: Written) -> dict[bytes, str]:
        """Return which files the catalogue read the regions of each insertion from."""
        out: dict[bytes, str] = {}
        for row in written.eids:
            ask = "SELECT pid, source FROM insertion WHERE n = ?"
            out.update(self.catalogue._con.execute(ask, (row,)))
        return out

    def _trajectories(self, pids: Sequence[tuple[UUID, Found, str]]) -> None:
        """Read the channels of insertions whose files are new or other than before."""
        old: dict[UUID, tuple[UUID, Any]] = {}
        for ids in chunks((pid for pid, _, _ in pids), 500):
            asked = TrajectoryEstimate.objects.filter(
                probe_insertion_id__in=ids, provenance=ALIGNED
            )
            for pk, pid, more in asked.values_list("pk", "probe_insertion_id", "json"):
                old[pid] = pk, more
        fresh: list[TrajectoryEstimate] = []
        channels: list[Channel] = []
        changed: list[UUID] = []
        for pid, p, source in pids:
            if not source:
                continue
            pk, more = old.get(pid, (None, {}))
            before = more.get(_SOURCE) if isinstance(more, dict) else None
            if pk is not None and before in (None, source):
                continue  # somebody else's, or these very files
            places = self._read(p)
            if places is None:
                continue
            if pk is None:
                row = TrajectoryEstimate(
                    probe_insertion_id=pid,
                    provenance=ALIGNED,
                    coordinate_system=self.system,
                    json={_SOURCE: source},
                )
                fresh.append(row)
                pk = row.pk
            else:
                Channel.objects.filter(trajectory_estimate_id=pk).delete()
                TrajectoryEstimate.objects.filter(pk=pk).update(json={**more, _SOURCE: source})
            changed.append(pid)
            channels += [
                Channel(
                    trajectory_estimate_id=pk,
                    axial=axial,
                    lateral=lateral,
                    x=x,
                    y=y,
                    z=z,
                    brain_region_id=region if region in self.regions else None,
                )
                for axial, lateral, x, y, z, region in places
            ]
        make(fresh, self.report)
        make(channels, self.report)
        count_regions(changed)

    def _read(self, p: Found) -> list[tuple[Any, ...]] | None:
        """Return axial, lateral, x, y, z and region of an insertion's channels."""
        root = self.catalogue.root
        held = self.catalogue.datasets(p.row)
        options = [
            Option(path, default, "here")
            for path, default, exists in zip(held.rel_paths, held.default, held.exists, strict=True)
            if exists
        ]
        chosen = choose(options, p.name)
        if root is None or "ids" not in chosen:
            return None
        folder = root / self.catalogue.session(p.row).path
        try:
            ids = np.abs(np.asarray(read_npy(folder / chosen["ids"].rel_path)).reshape(-1))
            ids = np.nan_to_num(ids).astype(np.int64)
            n = len(ids)
            mlapdv = np.full((n, 3), np.nan)
            if "mlapdv" in chosen:
                mlapdv = _shaped(read_npy(folder / chosen["mlapdv"].rel_path), mlapdv)
            local = np.full((n, 2), np.nan)
            beside = _beside(chosen["ids"].rel_path, held)
            if beside:
                local = _shaped(read_npy(folder / beside), local)
        except (BadFileError, OSError, ValueError, TypeError) as error:
            self.report.problems.append(f"{folder}: {str(error).splitlines()[0]}")
            return None
        columns = (*local[:, ::-1].T, *mlapdv.T)
        values = [[None if v != v else float(v) for v in column] for column in columns]
        out: dict[Any, tuple[Any, ...]] = {}
        for k, row in enumerate(zip(*values, ids.tolist(), strict=True)):
            key = (row[0], row[1]) if row[0] is not None and row[1] is not None else k
            out.setdefault(key, row)  # two channels at one place are one
        return list(out.values())


def _shaped(found: NDArray[Any], like: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what a file holds if it is one row for each channel; else what stands for unknown."""
    found = np.asarray(found, dtype=float)
    return found if found.shape == like.shape else like


def _beside(ids: str, held: Datasets) -> str:
    """Return the file with the places along the probe that lies beside the one with regions."""
    folder, _, name = ids.rpartition("/")
    wanted = f"{folder}/{name.partition('.')[0]}.localCoordinates.npy"
    return wanted if wanted in held.rel_paths else ""


def trials_of(folder: Path, held: Datasets) -> tuple[int, int] | None:
    """Return how many trials a session has, and in how many the answer was right.

    Read from ``trials.feedbackType``, by itself or in the table of trials; None without either.
    """
    choices = {
        path.rpartition("/")[2]: path
        for path, exists in zip(held.rel_paths, held.exists, strict=True)
        if exists and "trials." in path
    }
    try:
        for name, path in choices.items():
            if name.endswith("trials.feedbackType.npy"):
                feedback = np.asarray(read_npy(folder / path))
                return len(feedback), int((feedback > 0).sum())
        for name, path in choices.items():
            if name.endswith("trials.table.pqt"):
                import pyarrow.parquet as pq

                column = pq.read_table(folder / path, columns=["feedbackType"])["feedbackType"]
                feedback = column.to_numpy()
                return len(feedback), int((feedback > 0).sum())
    except (BadFileError, OSError, ValueError, TypeError, KeyError, json.JSONDecodeError):
        return None  # what cannot be read says nothing about trials; loading it will say why
    return None
