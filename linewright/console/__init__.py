"""The console: four live pages in a browser, served from this machine and asking nothing of any other."""
