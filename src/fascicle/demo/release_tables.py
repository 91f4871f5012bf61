"""The tables of the synthetic release: rows that belong together, with values as in real ones."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import compress
from typing import TYPE_CHECKING, Any, NamedTuple

from fascicle.demo.release_files import TUTORIAL, Files

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_CORTEX = ("VISp", "VISl", "VISal", "VISrl", "VISam", "VISpm")
_DEEPER = ("CA1", "CA3", "DG", "LGd", "LP", "APN", "MRN", "SCig", "SUB", "POST", "TH", "MB", "root")
_STRUCTURES = (*_CORTEX, *_DEEPER)
_GENOTYPES = (
    "wt/wt",
    "Vip-IRES-Cre/wt;Ai32(RCL-ChR2(H134R)_EYFP)/wt",
    "Sst-IRES-Cre/wt;Ai32(RCL-ChR2(H134R)_EYFP)/wt",
)


class ReleaseSize(NamedTuple):
    """How large a release is: sessions, probes of each, channels and units of each probe."""

    sessions: int
    behavior: int
    probes: int
    channels: int
    units: int


#: ``real`` has as many rows as the real release: 319,013 units of 905 probes.
RELEASE_SIZES: Mapping[str, ReleaseSize] = {
    "tiny": ReleaseSize(4, 12, 12, 8, 60),
    "small": ReleaseSize(24, 120, 140, 96, 7_000),
    "real": ReleaseSize(153, 3_424, 905, 384, 319_013),
}


class Tables:
    """The tables of all versions, which have most of their rows in common."""

    def __init__(
        self,
        size: str,
        probes: bytes | None,
        seed: int,
        recordings: Collection[int] | None = None,
    ) -> None:
        import numpy as np

        self.size = RELEASE_SIZES[size]
        self.random = np.random.default_rng(seed)
        self._given = probes
        self.probes = self._read_probes(probes) if probes else self._make_probes()
        self.sessions = self._make_sessions()
        self.behavior = self._make_behavior()
        self.channels = self._make_channels()
        self.units = self._make_units()
        self.channels["unit_count"] = (
            self.units["ecephys_channel_id"]
            .value_counts()
            .reindex(self.channels["ecephys_channel_id"], fill_value=0)
            .to_numpy()
        )
        self.recordings = self._choose(size) if recordings is None else set(recordings)
        if probes is None:  # the real table has no such column
            self.probes["file_id"] = self._lfp_files()
        self.files = Files(
            size,
            sessions=self.sessions,
            behavior=self.behavior,
            probes=self.probes,
            channels=self.channels,
            units=self.units,
            seed=seed,
        )
        frames = {
            "ecephys_sessions": self.sessions,
            "behavior_sessions": self.behavior,
            "units": self.units,
            "probes": self.probes,
            "channels": self.channels,
        }
        self.text = {name: _Text.of(frame) for name, frame in frames.items()}

    def of(self, version: str) -> dict[str, bytes]:
        """Return the tables of a version, as text."""
        units = self.text["units"]
        if version == "0.1.0":
            units = units.with_column("snr", self.units["snr"] + 0.5)
        if version != "0.10.0":
            units = units.without("quality")
        behavior = self.text["behavior_sessions"]
        if version == "0.10.0":
            behavior = behavior.with_column("file_id", self._behavior_of(version)["file_id"])
        probes = self._given or self._csv(version, self.probes, self.text["probes"])
        return {
            "ecephys_sessions": self._csv(version, self.sessions, self.text["ecephys_sessions"]),
            "behavior_sessions": self._csv(version, self.behavior, behavior),
            "units": self._csv(version, self.units, units),
            "probes": probes,
            "channels": self._csv(version, self.channels, self.text["channels"]),
        }

    def _csv(self, version: str, frame: pd.DataFrame, text: _Text) -> bytes:
        return text.csv(None if self._has_all(version) else self._kept(frame))

    def _has_all(self, version: str) -> bool:
        """Return whether a version has all sessions: the last brings one more."""
        return version == "0.10.0" or self._given is not None

    def _kept(self, frame: pd.DataFrame) -> np.ndarray[Any, Any]:
        newest = self.sessions["ecephys_session_id"].iloc[-1]
        kept: np.ndarray[Any, Any] = (frame["ecephys_session_id"] != newest).to_numpy()
        return kept

    def _of(self, version: str, frame: pd.DataFrame) -> pd.DataFrame:
        return frame if self._has_all(version) else frame.loc[self._kept(frame)]

    def _choose(self, size: str) -> set[int]:
        """Return the sessions that have files: few of many, the tutorial's among them."""
        ids = [int(session) for session in self.sessions["ecephys_session_id"]]
        return set(ids) & {*ids[: 2 if size == "real" else 4], TUTORIAL}

    def _lfp_files(self) -> np.ndarray[Any, Any]:
        """Return the keys of LFP files, which probes of the first four sessions have."""
        import numpy as np

        first = self.sessions["ecephys_session_id"].iloc[:4]
        some = self.probes["ecephys_session_id"].isin(self.recordings & set(first))
        keys = 2000 + np.arange(len(self.probes))
        lfp: np.ndarray[Any, Any] = np.where(some & self.probes["has_lfp_data"], keys, -999)
        return lfp

    def data(self, version: str) -> Iterator[tuple[int, str, bytes]]:
        """Go through the data files of a version: their keys, paths and contents."""
        last = version == "0.10.0"
        for number, session in enumerate(
            self._of(version, self.sessions)["ecephys_session_id"].tolist()
        ):
            path = f"ecephys_sessions/ecephys_session_{session}.nwb"
            corrected = number == 0 and version in ("0.3.0", "0.10.0")
            if number == 1 and last:
                path = f"ecephys_sessions/renamed/ecephys_session_{session}.nwb"
            if session in self.recordings:
                yield number, path, self.files.session(session, corrected=corrected)
                continue
            text = f"stand-in for the recording {session}\n"
            if corrected:
                text += "corrected in 0.3.0\n"
            yield number, path, (text * 40).encode()
        if "file_id" in self.probes:
            with_lfp = self._of(version, self.probes).query("file_id >= 0")
            for key, probe in zip(
                with_lfp["file_id"].tolist(), with_lfp["ecephys_probe_id"].tolist(), strict=True
            ):
                yield key, f"ecephys_sessions/probe_{probe}_lfp.nwb", self.files.lfp(probe)
        own = self._behavior_of(version).query("file_id >= 0")
        for key, session in zip(
            own["file_id"].tolist(), own["behavior_session_id"].tolist(), strict=True
        ):
            yield (
                key,
                f"behavior_sessions/behavior_session_{session}.nwb",
                self.files.training(session)
                if self.recordings
                else f"stand-in for the training {session}\n".encode() * 20,
            )

    def _behavior_of(self, version: str) -> pd.DataFrame:
        """Return the behaviour sessions; the last version has one file less."""
        if version != "0.10.0":
            return self._of(version, self.behavior)
        gone = self.behavior["file_id"] == self.behavior["file_id"].max()
        changed: pd.DataFrame = self.behavior.assign(
            file_id=self.behavior["file_id"].where(~gone, -999)
        )
        return changed

    # -- rows -------------------------------------------------------------------------------------

    def _read_probes(self, content: bytes) -> pd.DataFrame:
        import io

        import pandas as pd

        probes: pd.DataFrame = pd.read_csv(io.BytesIO(content))
        return probes

    def _make_probes(self) -> pd.DataFrame:
        import numpy as np
        import pandas as pd

        size, draw = self.size, self.random
        session = np.sort(np.arange(size.probes) % size.sessions)
        share = draw.gamma(4.0, size=size.probes)
        units = np.floor(share / share.sum() * size.units).astype(int)
        units[: size.units - units.sum()] += 1
        letter = pd.Series(session).groupby(session).cumcount()
        return pd.DataFrame(
            {
                "ecephys_probe_id": 1044506933 + np.arange(size.probes) * 3,
                "ecephys_session_id": 1044385384 + session * 1013,
                "name": [f"probe{'ABCDEFGHIJ'[n % 10]}" for n in letter],
                "sampling_rate": 30000 + draw.normal(0, 0.1, size.probes).round(10),
                "lfp_sampling_rate": 2500 + draw.normal(0, 0.01, size.probes).round(11),
                "phase": 1.0,
                "has_lfp_data": draw.random(size.probes) > 0.05,
                "unit_count": units,
                "channel_count": size.channels,
                "structure_acronyms": [str(self._structures()) for _ in range(size.probes)],
            }
        )

    def _structures(self) -> list[str]:
        some = self.random.choice(_STRUCTURES, self.random.integers(4, 8), replace=False)
        return sorted(str(acronym) for acronym in some)

    def _make_sessions(self) -> pd.DataFrame:
        import numpy as np
        import pandas as pd

        draw = self.random
        by = self.probes.groupby("ecephys_session_id")
        ids = np.asarray(by.size().index)
        n = len(ids)
        # The tutorial draws an image of the set that is new to the mouse.
        novel = (np.arange(n) % 2 == 1) | (ids == TUTORIAL)
        abnormal = draw.random(n) < 0.3
        abnormal[:2] = abnormal[-1] = False
        which = draw.random(n) < 0.5
        acronyms = [
            str(
                sorted({a for text in group for a in text.strip("[]").replace("'", "").split(", ")})
            )
            for _, group in by["structure_acronyms"]
        ]
        return pd.DataFrame(
            {
                "ecephys_session_id": ids,
                "behavior_session_id": ids + 32244,
                "date_of_acquisition": self._dates(n),
                "equipment_name": np.where(draw.random(n) < 0.5, "NP.0", "NP.1"),
                "session_type": [f"EPHYS_1_images_{'H' if x else 'G'}_3uL_reward" for x in novel],
                "mouse_id": 520000 + np.arange(n) // 2 * 37,
                "genotype": draw.choice(_GENOTYPES, n),
                "sex": np.where(draw.random(n) < 0.5, "M", "F"),
                "project_code": "NeuropixelVisualBehavior",
                "age_in_days": draw.integers(110, 220, n),
                "unit_count": by["unit_count"].sum().to_numpy().astype(float),
                "probe_count": by.size().to_numpy().astype(float),
                "channel_count": by["channel_count"].sum().to_numpy().astype(float),
                "structure_acronyms": acronyms,
                "image_set": np.where(novel, "H", "G"),
                "prior_exposures_to_image_set": np.where(novel, 0.0, draw.integers(20, 40, n)),
                "session_number": np.where(novel, 2, 1),
                "experience_level": np.where(novel, "Novel", "Familiar"),
                "prior_exposures_to_omissions": novel.astype(float),
                "file_id": np.arange(n),
                "abnormal_histology": _some("['no fluorescence']", abnormal & which),
                "abnormal_activity": _some("[1235, 1468]", abnormal & ~which),
            }
        )

    def _make_behavior(self) -> pd.DataFrame:
        import numpy as np
        import pandas as pd

        draw = self.random
        n_training = max(0, self.size.behavior - len(self.sessions))
        mice = self.sessions["mouse_id"].unique()
        stage = draw.integers(0, 5, n_training)
        shared = [
            "behavior_session_id",
            "equipment_name",
            "genotype",
            "mouse_id",
            "sex",
            "age_in_days",
            "session_number",
            "prior_exposures_to_image_set",
            "prior_exposures_to_omissions",
            "ecephys_session_id",
            "date_of_acquisition",
            "session_type",
            "image_set",
        ]
        recorded = self.sessions[shared].assign(file_id=-999)
        own = np.arange(n_training) < min(5, n_training)
        training = pd.DataFrame(
            {
                "behavior_session_id": 1051333618 + np.arange(n_training) * 7,
                "equipment_name": [f"BEH.G-Box{1 + b}" for b in draw.integers(0, 6, n_training)],
                "genotype": draw.choice(_GENOTYPES, n_training),
                "mouse_id": draw.choice(mice, n_training),
                "sex": np.where(draw.random(n_training) < 0.5, "M", "F"),
                "age_in_days": draw.integers(80, 200, n_training),
                "session_number": draw.integers(1, 60, n_training),
                "prior_exposures_to_image_set": np.where(stage < 3, np.nan, stage.astype(float)),
                "prior_exposures_to_omissions": 0.0,
                "ecephys_session_id": np.nan,
                "date_of_acquisition": self._dates(n_training),
                "session_type": [f"TRAINING_{s}_images_G_10uL_reward" for s in stage],
                "image_set": _some("G", stage >= 3),
                "file_id": np.where(own, 1000 + np.arange(n_training), -999),
            }
        )
        frame = pd.concat([recorded, training], ignore_index=True)
        frame.insert(7, "prior_exposures_to_session_type", draw.integers(0, 9, len(frame)))
        return frame

    def _dates(self, n: int) -> list[str]:
        import pandas as pd

        days = self.random.integers(0, 400, n)
        milliseconds = self.random.integers(0, 8 * 3_600_000, n)
        start = pd.Timestamp("2020-06-01 09:00:00")
        times = (
            start + pd.Timedelta(days=int(d)) + pd.Timedelta(milliseconds=int(m))
            for d, m in zip(days, milliseconds, strict=True)
        )
        return [f"{time:%Y-%m-%d %H:%M:%S.%f}"[:-3] for time in times]

    def _make_channels(self) -> pd.DataFrame:
        import numpy as np
        import pandas as pd

        draw = self.random
        counts = self.probes["channel_count"].to_numpy().astype(int)
        probe = np.repeat(np.arange(len(counts)), counts)
        number = np.arange(len(probe)) - np.repeat(np.cumsum(counts) - counts, counts)
        n = len(probe)
        self._channel_starts = np.cumsum(counts) - counts
        self._areas = np.array(_STRUCTURES, dtype=object)[(number // 24 + probe) % len(_STRUCTURES)]
        outside = draw.random(n) < 0.02
        return pd.DataFrame(
            {
                "ecephys_channel_id": 1049365509 + np.arange(n) * 2,
                "ecephys_probe_id": self.probes["ecephys_probe_id"].to_numpy()[probe],
                "ecephys_session_id": self.probes["ecephys_session_id"].to_numpy()[probe],
                "probe_channel_number": number,
                "probe_vertical_position": 20.0 * (number // 2 + 1),
                "probe_horizontal_position": np.array([43.0, 11.0, 59.0, 27.0])[number % 4],
                **self._places(n, outside),
                "structure_acronym": np.where(outside, None, self._areas),
                "unit_count": draw.integers(0, 4, n),
                "valid_data": draw.random(n) > 0.03,
            }
        )

    def _places(self, n: int, outside: np.ndarray[Any, Any]) -> dict[str, np.ndarray[Any, Any]]:
        import numpy as np

        draw = self.random
        axes = ("anterior_posterior", "dorsal_ventral", "left_right")
        return {
            f"{axis}_ccf_coordinate": np.where(
                outside, -1.0, draw.integers(low, low + 3000, n).astype(float)
            )
            for axis, low in zip(axes, (7000, 600, 5800), strict=True)
        }

    def _make_units(self) -> pd.DataFrame:
        import numpy as np
        import pandas as pd

        draw = self.random
        counts = self.probes["unit_count"].to_numpy().astype(int)
        channels = self.probes["channel_count"].to_numpy().astype(int)
        probe = np.repeat(np.arange(len(counts)), counts)
        n = len(probe)
        channel = self._channel_starts[probe] + np.floor(draw.random(n) * channels[probe])
        home = self.channels.iloc[channel.astype(int)]

        def some_missing(values: np.ndarray[Any, Any], part: float) -> np.ndarray[Any, Any]:
            return np.where(draw.random(n) < part, np.nan, values)

        exact = {c: home[c].to_numpy() for c in home.columns}
        return pd.DataFrame(
            {
                "unit_id": 1157005600 + np.arange(n),
                "ecephys_channel_id": exact["ecephys_channel_id"],
                "ecephys_probe_id": exact["ecephys_probe_id"],
                "ecephys_session_id": exact["ecephys_session_id"],
                "amplitude_cutoff": some_missing(np.minimum(draw.gamma(0.5, 0.1, n), 0.5), 0.01),
                "anterior_posterior_ccf_coordinate": exact["anterior_posterior_ccf_coordinate"],
                "dorsal_ventral_ccf_coordinate": exact["dorsal_ventral_ccf_coordinate"],
                "left_right_ccf_coordinate": exact["left_right_ccf_coordinate"],
                "cumulative_drift": draw.gamma(2.0, 90.0, n).round(2),
                "d_prime": some_missing(draw.normal(4.5, 1.5, n), 0.005),
                "structure_acronym": exact["structure_acronym"],
                "structure_id": draw.integers(1, 1300, n).astype(float),
                "firing_rate": draw.lognormal(1.0, 1.2, n),
                "isi_violations": draw.gamma(0.3, 0.8, n),
                "isolation_distance": some_missing(draw.gamma(3.0, 25.0, n), 0.01),
                "l_ratio": draw.gamma(0.4, 0.05, n),
                "local_index": np.arange(n) - np.repeat(np.cumsum(counts) - counts, counts),
                "max_drift": draw.gamma(2.0, 20.0, n).round(2),
                "nn_hit_rate": draw.beta(8, 2, n),
                "nn_miss_rate": draw.beta(1, 40, n),
                "presence_ratio": draw.beta(30, 1, n).round(2),
                "probe_horizontal_position": exact["probe_horizontal_position"],
                "probe_vertical_position": exact["probe_vertical_position"],
                "silhouette_score": some_missing(draw.beta(2, 10, n), 0.02),
                "snr": draw.gamma(3.0, 0.9, n),
                "quality": np.where(draw.random(n) < 0.8, "good", "noise"),
                "valid_data": exact["valid_data"],
                "amplitude": draw.gamma(4.0, 50.0, n),
                "waveform_duration": draw.gamma(6.0, 0.07, n),
                "waveform_halfwidth": draw.gamma(8.0, 0.02, n),
                "PT_ratio": draw.gamma(3.0, 0.2, n),
                "recovery_slope": -draw.gamma(2.0, 0.08, n),
                "repolarization_slope": draw.gamma(3.0, 0.25, n),
                "spread": 10.0 * draw.integers(1, 12, n),
                "velocity_above": some_missing(draw.normal(0, 0.9, n), 0.1),
                "velocity_below": some_missing(draw.normal(0, 0.9, n), 0.1),
            }
        )


def _some(text: str, where: np.ndarray[Any, Any]) -> list[str | None]:
    return [text if yes else None for yes in where]


class _Text:
    """A table as text, column by column: versions that differ in one column share the others."""

    def __init__(self, columns: dict[str, list[str]]) -> None:
        self.columns = columns

    @classmethod
    def of(cls, frame: pd.DataFrame) -> _Text:
        return cls({str(name): _texts(column) for name, column in frame.items()})

    def with_column(self, name: str, column: pd.Series[Any]) -> _Text:
        return _Text(self.columns | {name: _texts(column)})

    def without(self, name: str) -> _Text:
        return _Text({key: value for key, value in self.columns.items() if key != name})

    def csv(self, kept: Iterable[bool] | None = None) -> bytes:
        """Return the text of the table, or of some of its rows."""
        rows: Iterable[tuple[str, ...]] = zip(*self.columns.values(), strict=True)
        if kept is not None:
            rows = compress(rows, kept)
        return "\n".join([",".join(self.columns), *map(",".join, rows), ""]).encode()


def _texts(column: pd.Series[Any]) -> list[str]:
    """Return the values as they stand in a file: nothing where one is missing."""
    import numpy as np
    import pandas as pd

    codes, values = column.factorize()
    if 2 * len(values) < len(column):  # each is written once, and stands in many rows
        found = [*_texts(pd.Series(values)), ""]  # the last for those that are missing, -1
        repeated: list[str] = np.array(found, dtype=object)[codes].tolist()
        return repeated
    texts = [
        "" if gone else str(value)
        for value, gone in zip(column.tolist(), column.isna(), strict=True)
    ]
    if column.dtype.kind in "biuf":  # no commas
        return texts
    return [f'"{text}"' if "," in text else text for text in texts]
