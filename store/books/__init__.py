"""The books in which the plant keeps its records, one subject per file."""
