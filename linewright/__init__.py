"""The shell: command line, settings, wiring, processes, console. The only corridor between the rooms."""
