"""The machine and the process: folders, versions and hardware, and several processes of one run."""
