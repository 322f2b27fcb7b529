"""The words all rooms share. Nouns only: no I/O, no algorithm."""
