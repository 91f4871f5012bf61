"""What can go wrong, as a tree grouped by what a handler would do about it.

Each error says what happened and why, and its ``hint`` says what to type next. Each is also a
builtin kind, so that code which knows nothing of fascicle can catch it, and carries a ``kind``:
a short code that never changes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar


class FascicleError(Exception):
    """Base of all errors that fascicle raises on purpose.

    Parameters
    ----------
    message : str
        What happened, and why.
    hint : str, optional
        What to type or do next.
    """

    kind: ClassVar[str] = "error"

    def __init__(self, message: str = "", *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        # OSError and KeyError restore from args alone and would lose the hint.
        return _restore, (type(self), self.message, self.hint, self.__dict__)


def _restore(
    cls: type[FascicleError], message: str, hint: str, state: dict[str, Any]
) -> FascicleError:
    error = cls.__new__(cls, message)
    FascicleError.__init__(error, message, hint=hint)
    error.__dict__.update(state)
    return error


def nearest(word: str, known: Iterable[str], *, n: int = 3) -> str:
    """Return ``did you mean …?`` for the known words nearest to ``word``, or an empty string."""
    import difflib

    close = difflib.get_close_matches(word, list(known), n=n, cutoff=0.6)
    return f"did you mean {' or '.join(map(repr, close))}?" if close else ""


# -- names and objects of the ALF convention (the names the field already uses) -----------------


class ALFError(FascicleError):
    """Anything about ALF names, objects, collections or revisions.

    Parameters
    ----------
    *items : str or object
        What happened; or the things it is about, which are quoted and listed.
    hint : str, optional
        What to type or do next.
    terse : bool
        Whether to show the message without the hint.
    """

    kind = "alf"

    def __init__(self, *items: object, hint: str = "", terse: bool = False) -> None:
        if len(items) == 1 and isinstance(items[0], str):
            message = items[0]
        else:
            message = ", ".join(f'"{item}"' for item in items)
        super().__init__(message, hint=hint)
        self.terse = terse

    def __str__(self) -> str:
        return self.message if self.terse else super().__str__()


class ALFInvalid(ALFError, ValueError):
    """A path or a name does not follow the ALF convention."""

    kind = "alf-invalid"


class ALFObjectNotFound(ALFError, FileNotFoundError):
    """No dataset matches, or its file is not here."""

    kind = "alf-object-not-found"


class ALFMultipleObjectsFound(ALFError, LookupError):
    """The filter matches more than one object."""

    kind = "alf-multiple-objects"


class ALFMultipleCollectionsFound(ALFError, LookupError):
    """The filter matches more than one collection."""

    kind = "alf-multiple-collections"


class ALFMultipleRevisionsFound(ALFError, LookupError):
    """The filter matches more than one revision, and none or several are the default."""

    kind = "alf-multiple-revisions"


class AlyxSubjectNotFound(ALFError, LookupError):
    """The subject is not in the database."""

    kind = "subject-not-found"


class ALFWarning(UserWarning):
    """A caution when datasets are chosen or loaded."""


class IncompleteWarning(UserWarning):
    """An answer leaves out what could not be known or read, and says how much."""


class NanMetricsWarning(UserWarning):
    """Units without a metric are in a table that AllenSDK would leave them out of."""


# -- files ---------------------------------------------------------------------------------------


class BadFileError(FascicleError, ValueError):
    """A file is there but its content is not what its name says."""

    kind = "bad-file"


class EmptyFileError(BadFileError):
    """A file has no bytes."""

    kind = "empty-file"


class TruncatedFileError(BadFileError):
    """A file ends before its own header says it should."""

    kind = "truncated-file"


class UnsafeFileError(BadFileError):
    """A file could only be read by running code that lies in it (a pickle)."""

    kind = "unsafe-file"


class UnpacksTooLarge(BadFileError):
    """A file claims far more than is stored in it, so that reading could fill the memory."""

    kind = "unpacks-too-large"


class OldNwbError(BadFileError):
    """A file is NWB 1, which has little but its name in common with NWB 2."""

    kind = "nwb-1"


class HashMismatch(BadFileError):
    """A file's checksum is not the one on record."""

    kind = "hash-mismatch"


class ManifestError(BadFileError):
    """A release's manifest is none, or says what must not be believed."""

    kind = "bad-manifest"


# -- bringing files here ---------------------------------------------------------------------------


class TransferError(FascicleError, OSError):
    """A file could not be brought here.

    Attributes
    ----------
    url : str
        Where it was to come from; empty if the error is about several files.
    """

    kind = "transfer"
    url: str = ""


class OfflineError(TransferError, ConnectionError):
    """Something is not here, and nothing may be fetched over a network."""

    kind = "offline"


class ServerError(TransferError, ConnectionError):
    """A server is out of reach, breaks off, or answers with an error, however often it is asked."""

    kind = "server"


class RemoteNotFound(TransferError, FileNotFoundError):
    """The server has no such file."""

    kind = "remote-not-found"


class AccessDenied(TransferError, PermissionError):
    """The server does not give the file to us."""

    kind = "access-denied"


class ChangedRemote(TransferError):
    """A file changed on the server each time that it was read."""

    kind = "changed-remote"


class ChangedFile(TransferError):
    """A file changed while it was read, so that it is not the one that was looked at before."""

    kind = "changed-file"


class TruncatedError(TransferError):
    """A file arrives shorter or longer than it should be, however often it is asked for."""

    kind = "truncated"


class NotEnoughDisk(TransferError):
    """The disk has no room."""

    kind = "not-enough-disk"


class ReadOnlyStore(TransferError, PermissionError):
    """Files are missing in a folder that cannot be written."""

    kind = "read-only-store"


class UnsafeTarget(TransferError, ValueError):
    """A file would have to be written outside its folder."""

    kind = "unsafe-target"


class NotListableError(TransferError, NotImplementedError):
    """A place does not say what it has: files there have to be named."""

    kind = "not-listable"


class WouldReplace(TransferError, FileExistsError):
    """A file would have to replace another that nobody fetched, and that may exist nowhere else."""

    kind = "would-replace"


class BatchError(TransferError):
    """Some of many files could not be brought here, or sent; the others could.

    Attributes
    ----------
    errors : dict of str to FascicleError
        Why, for each file that was to be sent; empty for files that were to be brought here.
    """

    kind = "batch"

    def __init__(self, message: str = "", *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.errors: dict[str, FascicleError] = {}


# -- a lab's database ------------------------------------------------------------------------------


class HTTPError(FascicleError, OSError):
    """A database answers that it does not do what was asked.

    Where the program has imported requests, what is raised is also a ``requests.HTTPError``.

    Parameters
    ----------
    message : str
        What happened, and why.
    hint : str, optional
        What to type or do next.
    status : int
        Of the answer; 0 where it is none that could be read.
    query : str
        What was asked for.
    detail : object
        What the server said, as text or as the decoded JSON.
    response : object
        The answer itself, with ``status_code``, ``text``, ``headers``, ``url`` and ``json()``.
    """

    kind = "http"

    def __init__(
        self,
        message: str = "",
        *,
        hint: str = "",
        status: int = 0,
        query: str = "",
        detail: Any = "",
        response: Any = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.query = query
        self.detail = detail
        self.response = response
        # Where the drop-in's error has them.
        self.errno = status or None
        self.strerror = query
        self.filename = detail


class LoginError(HTTPError, PermissionError):
    """A database does not know who asks, or does not take a password or token."""

    kind = "login"


class LoginNeeded(LoginError, ValueError):
    """A name, password or token is needed, none is known, and nobody can be asked."""

    kind = "login-needed"


class BadAnswerError(HTTPError, ValueError):
    """A server answers something else than a database does, such as a web page."""

    kind = "bad-answer"


# -- looking things up -----------------------------------------------------------------------------


class NotFoundError(FascicleError, LookupError):
    """Something that was asked for by name or id does not exist here."""

    kind = "not-found"


class SessionNotFound(NotFoundError, ValueError):
    """No session with that id, path or reference."""

    kind = "session-not-found"


class NwbObjectNotFound(NotFoundError, BadFileError):
    """An NWB file has no table, column, series or object of that name."""

    kind = "nwb-object-not-found"


class RegionNotFound(NotFoundError, ValueError):
    """No brain region with that id, acronym or name."""

    kind = "region-not-found"


class VersionNotFound(NotFoundError, ValueError):
    """A project has no release of that name."""

    kind = "version-not-found"


class VersionExists(FascicleError, FileExistsError):
    """A place has a release of that version already, with other content."""

    kind = "version-exists"


class RecordNotFound(NotFoundError, RuntimeError):
    """No row of a project's table has that id."""

    kind = "record-not-found"


class ProbeNotFound(NotFoundError, ValueError):
    """A session has no probe with that id."""

    kind = "probe-not-found"


class NotHereError(NotFoundError, FileNotFoundError):
    """A file belongs to the release but is not on this machine, and nothing may be fetched."""

    kind = "not-here"


class SearchTermError(FascicleError, ValueError):
    """A search term is unknown, ambiguous, or has a value of the wrong form."""

    kind = "search-term"


class SearchTermTypeError(SearchTermError, TypeError):
    """The value of a search term is of a type that cannot be searched by, such as None."""

    kind = "search-term-type"


class NeedsServerError(FascicleError, NotImplementedError, AssertionError):
    """What was asked for is known to a server alone, and none is connected.

    It is a NotImplementedError and an AssertionError since ONE, in local mode, raises these.
    """

    kind = "needs-server"


class NoIndexError(FascicleError, FileNotFoundError):
    """The folder has no index yet."""

    kind = "no-index"


class CatalogueError(FascicleError, OSError):
    """An index cannot be read or written."""

    kind = "catalogue"


class ConfigurationError(FascicleError, ValueError):
    """A setting or an environment variable has no usable value."""

    kind = "configuration"


class MissingExtraError(FascicleError, ImportError):
    """An optional part of fascicle is not installed."""

    kind = "missing-extra"


# -- locks -----------------------------------------------------------------------------------------


class LockError(FascicleError, ValueError):
    """A lock file is none, cannot be believed, or cannot be made of what was recorded."""

    kind = "bad-lock"


class LockedError(FascicleError, PermissionError):
    """An analysis is held to a lock file, and asked for something that is not in it."""

    kind = "locked"


# -- releases (the names the field already uses) ---------------------------------------------------


class NotReleasable(FascicleError, ValueError):
    """A folder breaks rules that releases are held to.

    Attributes
    ----------
    report : fascicle.releases.Report
        What was found.
    """

    kind = "not-releasable"
    report: Any = None


class BehaviorCloudCacheVersionException(FascicleError, ValueError):
    """A release's version is not one that this reader of the project knows."""

    kind = "version-range"


class StaticCacheError(FascicleError, RuntimeError):
    """A folder that holds one version alone, such as a mounted bucket, cannot answer this."""

    kind = "static-cache"


class OutdatedManifestWarning(UserWarning):
    """The version of a release that is loaded is not the newest."""


class MissingLocalManifestWarning(UserWarning):
    """A cache folder has files, but no record of what they are."""


# -- conversion to NWB --------------------------------------------------------------------------


class MetadataError(FascicleError, ValueError):
    """A metadata document lacks something, or says something that cannot be."""

    kind = "metadata"


class ConversionError(FascicleError, ValueError):
    """A session cannot be converted as it is.

    Attributes
    ----------
    report : fascicle.nwb.report.Report or None
        What was done until then, and what the checks found.
    """

    kind = "conversion"
    report: Any = None


class ConversionWarning(UserWarning):
    """Something of a session is not in the NWB file as one might expect."""
