"""The ONE interface: what ``one.api`` offers, on fascicle's own index.

Replace ``from one.api import One`` by ``from fascicle.one import One``; likewise ``one.`` by
``fascicle.one.`` in other imports. `One` works on a local folder, `OneAlyx` on a server (an Alyx,
or a hub of fascicle's own), and ``ONE`` makes one of the two.

How the terms of `One.search` and `One.search_insertions` are matched in local mode; in remote mode
the server's own meaning of them holds, but for ``dataset``, which is the same everywhere:

==================== ========================================= ==================================
term                 a session matches if                      several values
==================== ========================================= ==================================
dataset              a relative path has the text in it        all must be found
datasets             a file name matches the expression as a   all must be found
                     whole
subject, laboratory, the value has the text in it              any may be found
task_protocol,
projects
number               its number is equal                       any
date_range           it was on that day                        first and last day, both included;
                                                               None is no bound
dataset_qc_lte       datasets that are asked for are at least  one value
                     this good; alone, any dataset is
atlas_acronym,       an insertion has a channel in the region  any
atlas_id             or in what lies below it
atlas_name           as above, for all regions with the text   any
                     in their names
name, model, serial  the insertion's value has the text in it  any may be found
==================== ========================================= ==================================

Case matters, but for regions. With ``one.wildcards`` on, as it is at first, texts are regular
expressions; with it off they are looked for as they are (``datasets`` is an expression in any
case). In the names of datasets to list or load, on the other hand, wildcards are those of a shell,
and with them off expressions are meant. `fascicle.find` has a grammar of its own, which is the
same everywhere.

Where ONE is known to err, this does not: ids of datasets are unique, an empty hash is no hash,
whole numbers in tables stay whole, ``load_collection`` knows revisions, alternatives of a name
keep their collection. Warnings about revisions come once per dataset.
"""

from fascicle.one.alyx import OneAlyx
from fascicle.one.api import ONE, One

__all__ = ["ONE", "One", "OneAlyx"]
