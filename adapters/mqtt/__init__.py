"""MQTT 5 over paho-mqtt 2: callbacks only put messages into the inbox."""
