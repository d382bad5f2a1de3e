"""The rows that tasks read: from the Hub, from a local folder, or from the bundled samples."""
