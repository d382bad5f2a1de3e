"""The machine and the process: paths, versions, ranks."""
