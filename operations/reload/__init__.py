"""What `make dev` does: edited files go into the running pods (S10.1)."""
