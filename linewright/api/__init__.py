"""The machine-readable side of the console: status, health and plans as JSON."""
