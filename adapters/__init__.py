"""The edge: wire format, MQTT, store, clock, simulator, config, daemon; all I/O and threads."""
