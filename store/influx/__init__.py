"""A mirror of the readings in InfluxDB 2.x, or in any server that takes its `/api/v2/write`."""
