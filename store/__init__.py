"""Keep: the time-series store and the records (orders, risks, alerts, plans, decisions)."""
