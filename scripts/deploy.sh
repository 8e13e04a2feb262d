#!/usr/bin/env bash
# Delivers releases: ./scripts/deploy.sh ENV ACTION [OPTIONS]. `--help` lists the actions; operations/delivery has the
# logic. Paths in options are relative to the checkout.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
make --silent .venv/.ready
exec .venv/bin/python -m operations.delivery "$@"
