"""A cache folder with a release of the real size: ``python -m benchmarks.release FOLDER SIZE``.

It is fetched from an S3 endpoint of this process, so that it is what a user has who opened it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from fascicle.demo.release import BUCKET, make_release
from fascicle.projects import VisualBehaviorNeuropixelsProjectCache as Cache
from fascicle.testing.s3 import S3Server

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    with S3Server() as server:
        server.make_bucket(BUCKET)
        make_release(
            lambda key, data: server.put(BUCKET, key, data),
            size=sys.argv[2],
            versions=("0.10.0",),
        )
        Cache.from_s3_cache(folder, endpoint_url=server.url)
    folder.joinpath(".complete").touch()
