"""The rows that every hub begins with."""

from typing import Any, ClassVar

from django.db import migrations

from fascicle.hub import initial


def fill(apps: Any, schema_editor: Any) -> None:
    """Make the rows."""
    initial.fill(apps)


class Migration(migrations.Migration):
    """Names and regions, after their tables."""

    dependencies: ClassVar = [("hub", "0001_initial")]
    operations: ClassVar = [migrations.RunPython(fill, migrations.RunPython.noop)]
