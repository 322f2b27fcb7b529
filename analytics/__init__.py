"""From window to risk: quality, features, KPIs, the hazard network, explanation, alarms."""
