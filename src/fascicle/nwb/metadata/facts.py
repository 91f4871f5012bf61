"""Facts about a session in the forms that NWB wants: species, sex, age, weight, names, times."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

#: Species by the names that labs and databases use, in lower case.
SPECIES = {
    "Mus musculus": ("mouse", "mice", "laboratory mouse", "lab mouse", "house mouse"),
    "Rattus norvegicus": ("rat", "laboratory rat", "lab rat", "brown rat", "norway rat"),
    "Homo sapiens": ("human", "humans"),
    "Macaca mulatta": ("rhesus macaque", "rhesus monkey", "rhesus"),
    "Macaca fascicularis": (
        "crab-eating macaque",
        "cynomolgus macaque",
        "cynomolgus monkey",
        "cynomolgus",
        "long-tailed macaque",
    ),
    "Macaca nemestrina": ("pig-tailed macaque", "southern pig-tailed macaque"),
    "Macaca fuscata": ("japanese macaque",),
    "Macaca radiata": ("bonnet macaque",),
    "Callithrix jacchus": ("marmoset", "common marmoset"),
    "Microcebus murinus": ("gray mouse lemur", "grey mouse lemur"),
    "Mustela putorius furo": ("ferret", "domestic ferret"),
    "Felis catus": ("cat", "domestic cat", "house cat"),
    "Canis lupus familiaris": ("dog", "domestic dog"),
    "Oryctolagus cuniculus": ("rabbit", "european rabbit"),
    "Cavia porcellus": ("guinea pig",),
    "Meriones unguiculatus": ("gerbil", "mongolian gerbil"),
    "Mesocricetus auratus": ("golden hamster", "syrian hamster"),
    "Heterocephalus glaber": ("naked mole-rat", "naked mole rat"),
    "Tupaia belangeri": ("tree shrew", "northern tree shrew"),
    "Taeniopygia guttata": ("zebra finch",),
    "Serinus canaria": ("canary",),
    "Danio rerio": ("zebrafish",),
    "Xenopus laevis": ("african clawed frog",),
    "Drosophila melanogaster": ("fruit fly",),
    "Caenorhabditis elegans": ("c. elegans",),
    "Apis mellifera": ("honey bee", "honeybee", "western honey bee"),
    "Sus scrofa domesticus": ("pig", "domestic pig"),
    "Ovis aries": ("sheep",),
}
_BINOMIALS = {
    name: binomial
    for binomial, names in SPECIES.items()
    for name in (binomial.lower(), *names)
}  # fmt: skip
#: Words of names that look like binomials, and are English.
_ENGLISH = frozenset(
    word
    for line in (
        "laboratory lab house common domestic wild brown black white gray grey golden giant dwarf",
        "naked fat lesser greater northern southern eastern western african american asian",
        "european japanese chinese mongolian syrian unknown other none animal",
        "mouse mice rat rats monkey human macaque baboon marmoset lemur ferret cat dog rabbit pig",
        "gerbil hamster squirrel vole shrew bat sheep goat finch bird owl pigeon crow fish frog",
        "toad turtle lizard fly bee",
    )
    for word in line.split()
)
_BINOMIAL = re.compile(r"[A-Z][a-z]+ [a-z]+(?: [a-z]+)?")
_TAXON = re.compile(r"http://purl\.obolibrary\.org/obo/NCBITaxon_\d+")

_SEXES = {
    "m": "M",
    "male": "M",
    "f": "F",
    "female": "F",
    "u": "U",
    "unknown": "U",
    "o": "O",
    "other": "O",
}

_PART = r"\d+(?:\.\d+)?"
_DURATION = re.compile(
    rf"P(?!$)(?:({_PART})Y)?(?:({_PART})M)?(?:({_PART})W)?(?:({_PART})D)?"
    rf"(?:T(?=\d)(?:({_PART})H)?(?:({_PART})M)?(?:({_PART})S)?)?"
)
_DAYS = (365.25, 365.25 / 12, 7.0, 1.0, 1 / 24, 1 / 1440, 1 / 86400)
#: How far calendar years and months may be from the mean, for ages given in these.
_SLACK = (0.02, 0.1, 0.0, 0.0, 0.0, 0.0, 0.0)

WEIGHT = re.compile(r"\d+(?:\.\d+)? (?:kg|g|mg)")
EXPERIMENTER = re.compile(r"[\w\s\-.']+,\s+[\w\s\-.']+")
_OFFSET = re.compile(r"(?:Z|[+-]\d{2}:?\d{2})$")


def species_of(text: Any) -> str | None:
    """Return the binomial of a species by any of its usual names; None where that is not sure.

    Examples
    --------
    >>> species_of("Laboratory mouse")
    'Mus musculus'
    >>> species_of("Laboratory unicorn")
    """
    said = str(text or "").strip()
    words = " ".join(said.replace("_", " ").lower().split())
    return said if _TAXON.fullmatch(said) else _BINOMIALS.get(words)


def is_species(text: str) -> bool:
    """Return whether a text has the form of a binomial, or is the address of an NCBI taxon."""
    if _TAXON.fullmatch(text):
        return True
    if not _BINOMIAL.fullmatch(text):
        return False
    known = _BINOMIALS.get(text.lower())
    return known == text or (known is None and _ENGLISH.isdisjoint(text.lower().split()))


def sex_of(text: Any) -> str | None:
    """Return ``M``, ``F``, ``U`` (unknown) or ``O`` (other); None where nothing is said.

    Examples
    --------
    >>> sex_of("Female")
    'F'
    """
    return _SEXES.get(str(text or "").strip().lower())


def days_of(duration: str) -> tuple[float, float] | None:
    """Return the least and the most days of an ISO 8601 duration; None where it is none.

    Examples
    --------
    >>> days_of("P90D"), days_of("P2W"), days_of("30 days")
    ((90.0, 90.0), (14.0, 14.0), None)
    """
    found = _DURATION.fullmatch(duration)
    if found is None:
        return None
    least = most = 0.0
    for value, days, slack in zip(found.groups(), _DAYS, _SLACK, strict=True):
        if value:
            least += float(value) * days * (1 - slack)
            most += float(value) * days * (1 + slack)
    return least, most


def age_of(birth: date, day: date) -> str | None:
    """Return the age at a day as ISO 8601 has it: in weeks where these are whole, else in days.

    Examples
    --------
    >>> age_of(date(2023, 3, 14), date(2023, 10, 19)), age_of(date(2023, 1, 2), date(2023, 1, 16))
    ('P219D', 'P2W')
    """
    days = (day - birth).days
    if days < 0:
        return None
    return f"P{days // 7}W" if days and not days % 7 else f"P{days}D"


def weight_of(grams: Any) -> str | None:
    """Return a weight in grams as NWB has it; None where it is no weight.

    Examples
    --------
    >>> weight_of(21.3), weight_of("0")
    ('21.3 g', None)
    """
    try:
        value = float(grams)
    except (TypeError, ValueError):
        return None
    return f"{_plain(value)} g" if 0 < value < float("inf") else None


def _plain(value: float) -> str:
    text = f"{value:.6f}".rstrip("0").rstrip(".")
    return text


def weight_at(start: datetime, weighings: Any) -> str | None:
    """Return the weight on the day of a session by a database's records, else None.

    Parameters
    ----------
    start : datetime.datetime
        When the session began: the last weight before it counts, else the first after it.
    weighings : list of dict
        With ``date_time`` and ``weight`` (g).
    """
    of_day = []
    for one in weighings or ():
        when = time_of(str(one.get("date_time") or "")) if isinstance(one, dict) else None
        weight = weight_of(one["weight"]) if when is not None and "weight" in one else None
        if when is not None and weight and when.date() == start.date():
            of_day.append((when.replace(tzinfo=None), weight))
    of_day.sort()
    before = [weight for when, weight in of_day if when <= start.replace(tzinfo=None)]
    after = [weight for _, weight in of_day]
    return before[-1] if before else after[0] if after else None


def person_of(first: Any, last: Any) -> str | None:
    """Return ``Last, First``; None where one of the two is not known.

    Examples
    --------
    >>> person_of("Jane", "Doe")
    'Doe, Jane'
    """
    parts = [" ".join(str(part or "").split()) for part in (last, first)]
    text = ", ".join(parts)
    named = all(any(map(str.isalpha, part)) for part in parts)
    return text if named and EXPERIMENTER.fullmatch(text) else None


def task_of(protocol: str) -> str:
    """Return the name of a task without the rig's prefix and the version.

    Examples
    --------
    >>> task_of("_iblrig_tasks_ephysChoiceWorld6.4.2")
    'ephysChoiceWorld'
    """
    bare = re.sub(r"^_?iblrig_tasks_", "", protocol.strip())
    return re.sub(r"[._-]?\d+(?:\.\d+)+[\w.]*$", "", bare).strip("_ ")


#: Files beside the zones, some of which say how this machine's clock is set.
_NO_ZONE = re.compile(r"(?:localtime|posixrules|Factory)$|posix/|right/")

# -- times ----------------------------------------------------------------------------------------


@cache
def zone_of(name: str) -> tzinfo | None:
    """Return the time zone of a name in the IANA database; None where there is none."""
    if not re.fullmatch(r"[A-Za-z][\w+\-]*(?:/[\w+\-]+)*", name) or _NO_ZONE.match(name):
        return None
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # what is not found is a KeyError
        return None


def time_of(text: str) -> datetime | None:
    """Return a time of ISO 8601, with seconds or without; None where it is none."""
    if not re.match(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}", text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def day_of(text: str) -> date | None:
    """Return a day of ISO 8601; None where it is none."""
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def readings(local: datetime, zone: tzinfo) -> list[datetime]:
    """Return the moments at which clocks of a zone show a time: none, one, or two.

    None where clocks are put forward over it, two where they are put back.
    """
    out: list[datetime] = []
    for fold in (0, 1):
        moment = local.replace(tzinfo=zone, fold=fold)
        # A time that is skipped comes back as another.
        back = moment.astimezone(UTC).astimezone(zone)
        if back.replace(tzinfo=None) != local:
            continue
        if all(moment.utcoffset() != other.utcoffset() for other in out):
            out.append(moment)
    return out


def moment_of(text: str, zone: tzinfo) -> datetime | None:
    """Return the moment of a local time, in its zone; None where that is none, or not clear."""
    said = time_of(text)
    if said is None:
        return None
    found = readings(said.replace(tzinfo=None), zone)
    if said.tzinfo is not None:
        found = [one for one in found if one.utcoffset() == said.utcoffset()]
    return found[0] if len(found) == 1 else None


def midnight_of(day: date, zone: tzinfo) -> datetime:
    """Return when a day begins in a zone."""
    start = datetime.combine(day, time())
    for _ in range(24 * 4):  # clocks may be put forward at midnight
        if found := readings(start, zone):
            return found[0]
        start += timedelta(minutes=15)
    return datetime.combine(day, time(), tzinfo=zone)


def local_time(text: Any, zone: str | None) -> str | None:
    """Return a database's time as clocks of the lab showed it; None where it says none.

    Times without an offset are local already. One with an offset is made local where the zone is
    known, and stays as it is otherwise.
    """
    said = time_of(str(text or ""))
    if said is None:
        return None
    if said.tzinfo is not None:
        where = zone_of(zone or "")
        if where is None:
            return said.isoformat()
        local = said.astimezone(where)
        clear = len(readings(local.replace(tzinfo=None), where)) == 1
        return local.replace(tzinfo=None).isoformat() if clear else local.isoformat()
    return said.isoformat()
