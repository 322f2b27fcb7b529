"""A user's own model: maximise f subject to g and h, parsed safely, solved with a certified bracket where it can be."""
