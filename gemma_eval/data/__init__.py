"""Rows of data sets, from the Hub, a folder or the bundled samples."""
