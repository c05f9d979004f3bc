#!/bin/sh
# Clients of the local API that are Python's (about 40 MB). usage: install.sh VENV
set -e
python3 -m venv "$1"
"$1/bin/pip" install -q ollama==0.6.3 anthropic==2.14.0
