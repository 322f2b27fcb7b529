"""What each page shows, prepared by pure functions from plant words: text, ratios and meaning, no web."""
