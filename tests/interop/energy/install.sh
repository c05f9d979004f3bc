#!/bin/sh
# Foreign Modbus, SunSpec and MQTT peers and a parser of metrics, all of them Python's (about 70 MB). usage: install.sh VENV
set -e
python3 -m venv "$1"
"$1/bin/pip" install -q pymodbus==3.11.4 pysunspec2==1.3.7 amqtt==0.12.1 prometheus_client==0.26.0
