"""The pages: they place what the views prepared, and hand actions back."""
