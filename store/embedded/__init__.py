"""The embedded store: a folder with a SQLite hot part and sealed Parquet segments."""
