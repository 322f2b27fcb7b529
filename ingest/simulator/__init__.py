"""A plant that wears, fails and is mended, for trying the product without one; its readings travel over real MQTT."""
