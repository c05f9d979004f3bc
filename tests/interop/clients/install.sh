#!/bin/sh
# Clients of the local API that are not Deno's, and llama.cpp as a judge (about 500 MB). usage: install.sh VENV LLAMA
# LLAMA may be left out. It becomes a folder with node-llama-cpp, whose package for this processor holds the binaries.
set -e
python3 -m venv "$1"
"$1/bin/pip" install -q ollama==0.6.3 anthropic==2.14.0 openai==3.57.0 langchain-openai==1.7.4 litellm==1.83.0 \
  llm==0.36 schemathesis==4.32.5 openai-agents==0.24.0 pydantic-ai-slim==2.68.0
[ -n "$2" ] || exit 0
case "$(uname -m)" in x86_64) cpu=linux-x64 ;; aarch64) cpu=linux-arm64 ;; *) exit 0 ;; esac
# no scripts, and none of the optional packages: those for graphics cards alone are 600 MB
npm install --prefix "$2" --silent --no-audit --no-fund --ignore-scripts --omit=optional node-llama-cpp@3.22.1 \
  "@node-llama-cpp/$cpu@3.22.1"
