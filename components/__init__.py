"""The platform's components: what `__main__.py` builds, one component a file."""
