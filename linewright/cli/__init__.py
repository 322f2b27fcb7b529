"""The command line: thin commands that load what they need only when they run."""
