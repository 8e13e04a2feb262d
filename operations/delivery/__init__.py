"""What `scripts/deploy.sh` does: releases are delivered, looked at, tested and taken back (docs/delivery.md)."""
