"""The edge: wire format, MQTT, store, clock, simulator, configuration, daemon. All I/O, all threads."""
