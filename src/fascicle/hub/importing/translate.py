"""What a running Alyx answers, as rows in the form of its dumps.

Answers name rows where a dump has their ids. A row that the hub has under that name keeps the
hub's id; one whose id no answer tells gets one that follows from its name.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from fascicle.hub.importing.labels import model_of
from fascicle.hub.models import QC, TrajectoryEstimate
from fascicle.hub.setup import REPOSITORY

Row = dict[str, Any]
_NAMESPACE = uuid.UUID("3e0d7c1b-2a4f-3c55-9d8e-7b6a5f4e3d2c")
_PLAIN = {
    "data.dataformat": (
        "description",
        "file_extension",
        "matlab_loader_function",
        "python_loader_function",
    ),
    "data.datasettype": ("description", "filename_pattern"),
    "data.tag": ("description", "protected", "public", "hash"),
    "data.revision": ("description", "created_datetime"),
    "actions.proceduretype": ("description",),
    "actions.watertype": (),
}


class Translator:
    """Turns answers into rows of a dump.

    Parameters
    ----------
    server : str
        Name of the server that they come from.
    """

    def __init__(self, server: str) -> None:
        self.server = server
        self.rows: list[Row] = []
        self.skipped: Counter[str] = Counter()
        self._ids: dict[tuple[str, str], str] = {}
        self._known: dict[tuple[str, str], dict[str, str]] = {}

    # -- names -------------------------------------------------------------------------------------

    def _id(self, label: str, name: str, field: str = "name") -> str | None:
        """Return the id that the hub has for a name."""
        key = label, field
        if key not in self._known:
            rows = model_of(label).objects.values_list(field, "pk")
            self._known[key] = {str(name): str(pk) for name, pk in rows}
        return self._known[key].get(name)

    def _add(self, label: str, pk: str, **fields: Any) -> str:
        self.rows.append({"model": label, "pk": pk, "fields": fields})
        return pk

    def named(
        self, label: str, name: Any, pk: str | None = None, field: str = "name", **fields: Any
    ) -> str | None:
        """Return the id of a row by its name; the row is made where nobody told of it."""
        if name in (None, ""):
            return None
        name = str(name)
        key = label, name
        if key not in self._ids:
            had = None if pk else self._id(label, name, field)
            new = pk or had or str(uuid.uuid3(_NAMESPACE, f"{self.server}/{label}/{name}"))
            self._ids[key] = new
            if had is None:
                self._add(label, new, **{field: name}, **fields)
        return self._ids[key]

    def _user(self, name: Any) -> str | None:
        return self.named("misc.labmember", name, field="username")

    def _subject(self, name: Any) -> str | None:
        return self._ids.get(("subjects.subject", str(name)))

    def _many(self, label: str, names: Any, field: str = "name") -> list[str]:
        found = (self.named(label, name, field=field) for name in names or ())
        return [pk for pk in found if pk]

    # -- one endpoint each -------------------------------------------------------------------------

    def users(self, r: Row) -> None:
        """A user; passwords are not told."""
        keys = ("email", "is_stock_manager")
        more: Row = {key: r[key] for key in keys if r.get(key) is not None}
        self.named("misc.labmember", r["username"], r.get("id"), field="username", **more)

    def data_repository(self, r: Row) -> None:
        """A place of files; that of a hub's own folder is another than ours."""
        name = self._repository(r["name"])
        keys = ("timezone", "globus_path", "hostname", "data_url", "globus_endpoint_id", "json")
        more: Row = {key: r.get(key) for key in keys}
        kind = self.named("data.datarepositorytype", r.get("repository_type"))
        personal = bool(r.get("globus_is_personal"))
        self.named(
            "data.datarepository", name, repository_type=kind, globus_is_personal=personal, **more
        )

    def _repository(self, name: str) -> str:
        return f"{REPOSITORY} of {self.server}" if name == REPOSITORY else name

    def labs(self, r: Row) -> None:
        """A laboratory."""
        keys = ("institution", "address", "timezone", "reference_weight_pct", "zscore_weight_pct")
        places = [self._repository(name) for name in r.get("repositories") or ()]
        more = {key: r[key] for key in (*keys, "json") if key in r}
        self.named(
            "misc.lab",
            r["name"],
            r.get("id"),
            repositories=self._many("data.datarepository", places),
            **more,
        )

    def locations(self, r: Row) -> None:
        """A rig or a room."""
        lab = self.named("misc.lab", r.get("lab"))
        self.named("misc.lablocation", r["name"], lab=lab, json=r.get("json"))

    def projects(self, r: Row) -> None:
        """A project."""
        users = self._many("misc.labmember", r.get("users"), "username")
        self.named(
            "subjects.project", r["name"], users=users, description=r.get("description") or ""
        )

    def subjects(self, r: Row) -> None:
        """An animal."""
        keys = ("birth_date", "death_date", "sex", "description", "reference_weight", "json")
        more = {key: r[key] for key in keys if r.get(key) is not None}
        for name, label in (
            ("strain", "subjects.strain"),
            ("source", "subjects.source"),
            ("line", "subjects.line"),
        ):
            more[name] = self.named(label, r.get(name))
        more["species"] = self._species(r.get("species"))
        self._ids["subjects.subject", r["nickname"]] = self._add(
            "subjects.subject",
            r["id"],
            nickname=r["nickname"],
            lab=self.named("misc.lab", r.get("lab")),
            responsible_user=self._user(r.get("responsible_user")),
            projects=self._many("subjects.project", r.get("projects")),
            **more,
        )

    def _species(self, name: Any) -> str | None:
        """An Alyx tells the nickname of a species."""
        found = self._id("subjects.species", str(name), "nickname")
        return found or self.named("subjects.species", name, nickname=str(name))

    def plain(self, label: str) -> Callable[[Row], None]:
        """Return what translates rows that refer to no others."""

        def translate(r: Row) -> None:
            more = {key: r[key] for key in (*_PLAIN[label], "json") if key in r}
            if more.get("filename_pattern") == "":
                more["filename_pattern"] = None
            self.named(label, r["name"], r.get("id"), **more)

        return translate

    def sessions(self, r: Row) -> None:
        """A session, as it is told by itself."""
        keys = ("type", "task_protocol", "number", "start_time", "end_time", "narrative", "json")
        more = {key: r.get(key) for key in (*keys, "n_trials", "n_correct_trials", "extended_qc")}
        lab = self.named("misc.lab", r.get("lab"))
        parent = r.get("parent_session")
        eid = self._add(
            "actions.session",
            r["id"],
            subject=self._subject(r["subject"]),
            lab=lab,
            location=self.named("misc.lablocation", r.get("location"), lab=lab),
            users=self._many("misc.labmember", r.get("users"), "username"),
            projects=self._many("subjects.project", r.get("projects")),
            procedures=self._many("actions.proceduretype", r.get("procedures")),
            parent_session=_last(parent) if parent else None,
            qc=_qc(r.get("qc")),
            auto_datetime=r.get("auto_datetime"),
            **more,
        )
        for note in r.get("notes") or ():
            if note.get("image"):
                self.skipped["images of notes"] += 1
            self._add(
                "misc.note",
                note["id"],
                user=self._user(note.get("user")),
                date_time=note.get("date_time"),
                text=note.get("text") or "",
                json=note.get("json"),
                content_type=["actions", "session"],
                object_id=eid,
            )

    def weighings(self, r: Row) -> None:
        """A weighing."""
        self._add(
            "actions.weighing",
            _last(r["url"]),
            subject=self._subject(r["subject"]),
            user=self._user(r.get("user")),
            date_time=r["date_time"],
            weight=r["weight"],
        )

    def water_administrations(self, r: Row) -> None:
        """Water that an animal was given."""
        self._add(
            "actions.wateradministration",
            _last(r["url"]),
            subject=self._subject(r["subject"]),
            user=self._user(r.get("user")),
            date_time=r["date_time"],
            water_administered=r.get("water_administered"),
            water_type=self.named("actions.watertype", r.get("water_type")),
            session=_last(r["session"]) if r.get("session") else None,
            adlib=bool(r.get("adlib")),
        )

    def surgeries(self, r: Row) -> None:
        """A surgery; its laboratory and place are told by their ids, which are not ours."""
        keys = ("name", "json", "narrative", "start_time", "end_time", "outcome_type")
        subject = self._subject(r["subject"])
        self._add(
            "actions.surgery",
            r["id"],
            subject=subject,
            users=self._many("misc.labmember", r.get("users"), "username"),
            procedures=self._many("actions.proceduretype", r.get("procedures")),
            implant_weight=r.get("implant_weight") or 0.0,
            **{key: r.get(key) for key in keys},
        )

    def datasets(self, r: Row) -> None:
        """A dataset with its copies."""
        keys = ("name", "collection", "file_size", "hash", "version", "json", "auto_datetime")
        did = self._add(
            "data.dataset",
            _last(r["url"]),
            session=_last(r["session"]) if r.get("session") else None,
            dataset_type=self.named("data.datasettype", r.get("dataset_type")),
            data_format=self.named("data.dataformat", r.get("data_format")),
            revision=self.named("data.revision", r.get("revision")),
            default_dataset=r.get("default_dataset", True),
            created_by=self._user(r.get("created_by")),
            created_datetime=r.get("created_datetime"),
            qc=_qc(r.get("qc")),
            tags=self._many("data.tag", r.get("tags")),
            **{key: r.get(key) for key in keys},
        )
        for record in r.get("file_records") or ():
            self._add(
                "data.filerecord",
                record["id"],
                dataset=did,
                data_repository=self.named(
                    "data.datarepository", self._repository(record["data_repository"])
                ),
                relative_path=record.get("relative_path") or "",
                exists=bool(record.get("exists")),
            )

    def chronic_insertions(self, r: Row) -> None:
        """A probe that stays in place."""
        self._add(
            "experiments.chronicinsertion",
            r["id"],
            subject=self._subject(r["subject"]),
            lab=self.named("misc.lab", r.get("lab")),
            model=self._model(r.get("model")),
            **{key: r.get(key) for key in ("name", "json", "serial", "start_time")},
        )

    def insertions(self, r: Row) -> None:
        """A probe in one session."""
        self._add(
            "experiments.probeinsertion",
            r["id"],
            session=_last(r["session"]) if r.get("session") else None,
            model=self._model(r.get("model")),
            chronic_insertion=r.get("chronic_insertion"),
            datasets=[d if isinstance(d, str) else d["id"] for d in r.get("datasets") or ()],
            **{key: r.get(key) for key in ("name", "json", "serial", "auto_datetime")},
        )

    def _model(self, name: Any) -> str | None:
        """An Alyx tells the short name of a probe's model, or the long one."""
        if not name:
            return None
        found = self._id("experiments.probemodel", str(name), "probe_model")
        return found or self.named("experiments.probemodel", name, probe_model=str(name))

    def trajectories(self, r: Row) -> None:
        """Where a probe is thought to have been."""
        keys = ("x", "y", "z", "depth", "theta", "phi", "roll", "datetime", "json")
        kinds = {str(label): value for value, label in TrajectoryEstimate.Provenance.choices}
        self._add(
            "experiments.trajectoryestimate",
            r["id"],
            probe_insertion=r.get("probe_insertion"),
            chronic_insertion=r.get("chronic_insertion"),
            provenance=kinds.get(r["provenance"], r["provenance"]),
            coordinate_system=self.named(
                "experiments.coordinatesystem", r.get("coordinate_system")
            ),
            **{key: r.get(key) for key in keys},
        )

    def channels(self, r: Row) -> None:
        """A recording site."""
        keys = ("trajectory_estimate", "brain_region", "name", "json", "axial", "lateral")
        fields = {key: r.get(key) for key in (*keys, "x", "y", "z")}
        self._add("experiments.channel", r["id"], **fields)


def steps(to: Translator) -> Iterator[tuple[str, Callable[[Row], None]]]:
    """Yield the endpoints in the order in which their rows refer to each other."""
    yield "users", to.users
    yield "data-repository", to.data_repository
    yield "labs", to.labs
    yield "locations", to.locations
    yield "projects", to.projects
    yield "procedures", to.plain("actions.proceduretype")
    yield "water-type", to.plain("actions.watertype")
    yield "data-formats", to.plain("data.dataformat")
    yield "dataset-types", to.plain("data.datasettype")
    yield "tags", to.plain("data.tag")
    yield "revisions", to.plain("data.revision")
    yield "subjects", to.subjects
    yield "surgeries", to.surgeries
    yield "sessions", to.sessions
    yield "weighings", to.weighings
    yield "water-administrations", to.water_administrations
    yield "datasets", to.datasets
    yield "chronic-insertions", to.chronic_insertions
    yield "insertions", to.insertions
    yield "trajectories", to.trajectories
    yield "channels", to.channels


def _last(url: str) -> str:
    return url.rstrip("/").rpartition("/")[2]


def _qc(value: Any) -> int:
    if isinstance(value, str):
        return dict(zip(QC.names, QC.values, strict=True)).get(value, 0)
    return int(value or 0)
