"""From the bytes of one message to the values of its machine's signals: pure functions, one module per format."""
