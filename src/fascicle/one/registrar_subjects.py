"""Register weights and water of subjects."""

from __future__ import annotations

import datetime as dt
import warnings
from typing import Any

from fascicle.errors import SessionNotFound
from fascicle.one.registrar import Registrar, RegistrationError


class SubjectRegistrar(Registrar):
    """Registers what happens to a subject."""

    def register_water_administration(
        self,
        subject: str,
        volume: float,
        *,
        date_time: str | dt.date | dt.datetime | None = None,
        water_type: str = "Water",
        user: str | None = None,
        session: Any = None,
        adlib: bool = False,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Register that a subject was given water.

        Parameters
        ----------
        subject : str
            Nickname.
        volume : float
            In ml.
        date_time : str, datetime.date or datetime.datetime, optional
            When; default: now.
        water_type : str
            A water type of the database.
        user : str, optional
            Who gave it; default: who is logged in.
        session : session identifier, optional
            The session in which it was given: id, URL, path, reference or record.
        adlib : bool
            Whether the subject drank as much as it liked.
        **kwargs
            Others are not sent, and warned of.

        Returns
        -------
        dict
            The record.

        Raises
        ------
        AlyxSubjectNotFound
            The database has no such subject.
        ALFError
            It has no such user.
        ValueError
            The volume is not above 0, the date is none, or there is no such session.
        HTTPError
            The database refuses.
        """
        if kwargs:
            warnings.warn(
                f"{', '.join(kwargs)}: the database has no such thing of water; not sent",
                stacklevel=2,
            )
        body = {
            **self._who_and_when(subject, date_time, user),
            "water_administered": _above_zero(volume, "volume of water", "ml"),
            "water_type": water_type or "Water",
            "adlib": adlib,
        }
        if session is not None:
            eid = self.one.to_eid(session)
            if eid is None:
                raise SessionNotFound(
                    f"{session} is no session that is known here",
                    hint="give its id, as register_session returns it",
                )
            body["session"] = str(eid)
        return dict(self.one.alyx.rest("water-administrations", "create", data=body))

    def register_weight(
        self,
        subject: str,
        weight: float,
        date_time: str | dt.date | dt.datetime | None = None,
        user: str | None = None,
    ) -> dict[str, Any]:
        """Register the weight of a subject.

        Parameters
        ----------
        subject : str
            Nickname.
        weight : float
            In grams.
        date_time : str, datetime.date or datetime.datetime, optional
            When; default: now.
        user : str, optional
            Who weighed it; default: who is logged in.

        Returns
        -------
        dict
            The record.

        Raises
        ------
        AlyxSubjectNotFound
            The database has no such subject.
        ALFError
            It has no such user.
        ValueError
            The weight is not above 0, or the date is none.
        HTTPError
            The database refuses.
        """
        body = {
            **self._who_and_when(subject, date_time, user),
            "weight": _above_zero(weight, "weight", "g", least=1e-4),
        }
        return dict(self.one.alyx.rest("weighings", "create", data=body))

    def _who_and_when(
        self, subject: str, date_time: str | dt.date | dt.datetime | None, user: str | None
    ) -> dict[str, Any]:
        """Return what is common to all, once the database knows subject and user."""
        date = self.ensure_ISO8601(date_time)
        user = user or self.one.alyx.user
        self.assert_exists(subject, "subjects")
        self.assert_exists(user, "users")
        return {"subject": subject, "date_time": date, "user": user}


def _above_zero(value: float, what: str, unit: str, least: float = 0) -> float:
    number = float(value)
    if not (0 < number < float("inf") and number >= least):
        raise RegistrationError(f"a {what} of {value} {unit} is none", hint="a number above 0")
    return number
