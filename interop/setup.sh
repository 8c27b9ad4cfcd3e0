#!/bin/sh
# Installs what the interop tests drive: the JavaScript and Python SDKs, beside their scripts.
# The Rust crates come with cargo; azeventhubs builds against OpenSSL (libssl-dev, pkg-config). The
# tests of the example `monitoring` run Debian's chromium and prometheus.
set -eu
cd "$(dirname "$0")"

(cd js && npm ci)

python3 -m venv python/.venv
python/.venv/bin/pip install --quiet --requirement python/requirements.txt
