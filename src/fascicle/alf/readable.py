"""Make valid names of parts, and readable words of names."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .names import name_problem

_ACRONYM = re.compile(r"[A-Z]+s?")  # with the s of its plural: ROI, ROIs
_ATTRIBUTE = re.compile(r"(_[a-z]+_)?(.*?)(_(?:times|timestamps|intervals))?", re.DOTALL)


def camel_case(text: str) -> str:
    """Join words by camel case; acronyms keep their capitals.

    Parameters
    ----------
    text : str
        Words separated by white space or underscores, or one word.

    Returns
    -------
    str
        The words as one; a single word has its first letter made small.

    Examples
    --------
    >>> camel_case("motion_energy"), camel_case("mpci ROIs"), camel_case("FooBar")
    ('motionEnergy', 'mpciROIs', 'fooBar')
    """
    first, *others = re.split(r"[_\s]+", text.strip("_ \t\r\n\f\v"))
    if not others:
        return first[:1].lower() + first[1:]
    if not _ACRONYM.fullmatch(first):
        first = first.lower()
    return first + "".join(w if _ACRONYM.fullmatch(w) else w.capitalize() for w in others)


def to_alf(
    object: str,
    attribute: str,
    extension: str,
    namespace: str | None = None,
    timescale: str | Sequence[str] | None = None,
    extra: str | Sequence[str] | None = None,
) -> str:
    """Make a file name of its parts; words are joined by camel case where needed.

    Parameters
    ----------
    object, attribute : str
        What the file is about and which of its properties it holds.
    extension : str
        The type of file, with or without a leading period.
    namespace : str, optional
        Whose convention the object belongs to, if it is no standard of the community.
    timescale : str or sequence of str, optional
        The clock of the times, and more about it.
    extra : str or sequence of str, optional
        Parts before the extension; a string may hold several, separated by periods.

    Returns
    -------
    str
        A valid name.

    Raises
    ------
    TypeError
        The extension is missing.
    ValueError
        The parts make no valid name.

    Examples
    --------
    >>> to_alf("spikes", "times", "npy", namespace="ibl", timescale="ephys clock")
    '_ibl_spikes.times_ephysClock.npy'
    >>> to_alf("wheel", "timestamps", "npy", "ibl", "bpod", ("raw", "v12"))
    '_ibl_wheel.timestamps_bpod.raw.v12.npy'
    """
    if not extension:
        raise TypeError("An extension must be provided")
    extension = extension.removeprefix(".")
    clocks = [timescale] if isinstance(timescale, str) else list(timescale or ())
    parts = {"object": object, "attribute": attribute, "extension": extension}
    for what, text in [
        *parts.items(),
        ("namespace", namespace),
        *(("timescale", c) for c in clocks),
    ]:
        if text and "." in text:
            raise ValueError(f"ALF parts must not contain a period: the {what} is {text!r}")
    if "_" in (namespace or ""):
        raise ValueError(f"Namespace must not contain extra underscores: {namespace!r}")
    if not object or not attribute:
        raise ValueError("An object and an attribute must be provided")
    if object.startswith("_"):
        raise ValueError(
            f"Objects must not start with an underscore: give {object!r} as object and namespace"
        )
    # These keep their underscores: the deprecated prefix, and the endings that mean times.
    prefix, stem, ending = _ATTRIBUTE.fullmatch(attribute).groups("")  # type: ignore[union-attr]
    clock = "_".join(camel_case(c) for c in clocks if c)
    extras = extra.split(".") if isinstance(extra, str) else list(extra or ())
    name = ".".join(
        [
            (f"_{namespace}_" if namespace else "") + camel_case(object),
            prefix + camel_case(stem) + ending + (f"_{clock}" if clock else ""),
            *filter(None, extras),
            extension,
        ]
    )
    if problem := name_problem(name):
        raise ValueError(f"{name!r} would be no valid ALF name: {problem}")
    return name


def readableALF(name: str, capitalize: bool = False) -> str:
    """Turn an object or attribute in camel case into separate words.

    Parameters
    ----------
    name : str
        The object or attribute.
    capitalize : bool
        Whether the first letter is to be a capital.

    Returns
    -------
    str
        Words in small letters, acronyms kept.

    Examples
    --------
    >>> readableALF("sparseNoise"), readableALF("someROIDataset", capitalize=True)
    ('sparse noise', 'Some ROI dataset')
    """
    spaced = re.sub(r"[A-Z](?=[a-rt-z0-9])|(?<=[a-z0-9])[A-Z]", r" \g<0>", name)
    words = [w if _ACRONYM.fullmatch(w) else w.lower() for w in spaced.split(" ")]
    text = " ".join(words)
    return text[:1].upper() + text[1:] if capitalize else text
