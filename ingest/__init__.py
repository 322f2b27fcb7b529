"""From wire to batch: MQTT client, decoders, batching, ledger, replay, embedded broker, plant simulator."""
