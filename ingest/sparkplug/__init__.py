"""Sparkplug B as a host: payloads, edge nodes and their births, STATE and rebirth requests."""
