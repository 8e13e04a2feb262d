"""What was changed in a stack, when, by whom, and whether that was by the pipeline (docs/audit.md)."""
