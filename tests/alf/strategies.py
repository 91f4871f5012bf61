"""Valid parts of the ALF convention, for Hypothesis and for plain random numbers."""

from __future__ import annotations

import random

from hypothesis import strategies as st

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
WORD = LETTERS + "_éßΩ"

ascii_word = st.text(LETTERS, min_size=1, max_size=8)
word = st.text(WORD, min_size=1, max_size=8)
attribute = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["", "", "", "_phy_", "_x_"]),
        ascii_word,
        st.sampled_from(["", "", "_times", "_intervals"]),
    ),
)
extra_part = st.text(WORD + "-", min_size=1, max_size=8) | st.uuids().map(str)
name_parts = st.fixed_dictionaries(
    {
        "namespace": st.just("") | ascii_word,
        "object": word,
        "attribute": attribute,
        "timescale": st.just("") | word,
        "extra": st.lists(extra_part, max_size=3).map(".".join),
        "extension": word,
    }
)
step = st.text(WORD + ".-", min_size=1, max_size=8).filter(lambda s: s not in (".", ".."))
folder_parts = st.fixed_dictionaries(
    {
        "collection": st.lists(step, max_size=3).map("/".join),
        "revision": st.just("") | st.text(WORD + ".-", min_size=1, max_size=8),
    }
)
session_parts = st.fixed_dictionaries(
    {
        "lab": st.just("") | word,
        "subject": step,
        "date": st.dates().map(str),
        "number": st.integers(0, 999).map(str) | st.integers(0, 999).map("{:03d}".format),
    }
)


def join_name(parts: dict[str, str]) -> str:
    return (
        (f"_{parts['namespace']}_" if parts["namespace"] else "")
        + f"{parts['object']}.{parts['attribute']}"
        + (f"_{parts['timescale']}" if parts["timescale"] else "")
        + (f".{parts['extra']}" if parts["extra"] else "")
        + f".{parts['extension']}"
    )


def join_folder(parts: dict[str, str]) -> str:
    revision = f"#{parts['revision']}#" if parts["revision"] else ""
    return "/".join(filter(None, (parts["collection"], revision)))


def join_session(parts: dict[str, str]) -> str:
    lab = f"{parts['lab']}/Subjects/" if parts["lab"] else ""
    return f"{lab}{parts['subject']}/{parts['date']}/{parts['number']}"


def random_name(rng: random.Random) -> str:
    """Return a name in the style of real ones, mostly valid."""

    def pick(letters: str, most: int = 8) -> str:
        return "".join(rng.choices(letters, k=rng.randint(1, most)))

    name = f"_{pick(LETTERS)}_" if rng.random() < 0.5 else ""
    name += pick(WORD if rng.random() < 0.2 else LETTERS) + "."
    if rng.random() < 0.1:
        name += f"_{pick(LETTERS[:26])}_"
    name += pick(LETTERS)
    name += rng.choice(["", "", "_times", "_intervals", "_timestamps"])
    if rng.random() < 0.3:
        name += f"_{pick(WORD)}"
    for _ in range(rng.choice([0, 0, 0, 1, 1, 2, 3])):
        name += "." + pick(WORD + "-.")
    return f"{name}.{pick(WORD, 4)}"


def spoil(name: str, rng: random.Random) -> str:
    """Return a name with some characters changed, added or taken away, most often bad."""
    chars = list(name)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(chars) + 1)
        odd = rng.choice("._-# /\\\n\t*~$éa1²\u0660\ud800\U0001f9e0\x00")
        kind = rng.random()
        if kind < 0.4 or not chars:
            chars.insert(at, odd)
        elif kind < 0.7:
            chars[at - 1] = odd
        else:
            del chars[at - 1]
    return "".join(chars)
