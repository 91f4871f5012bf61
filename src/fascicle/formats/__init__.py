"""File formats that say what exists elsewhere: manifests of releases, addresses in buckets."""
