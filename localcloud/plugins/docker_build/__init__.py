"""The `docker-build` provider: images built by this machine's BuildKit and pushed to its registry.

It stands in for pulumi-docker-build 0.0.22, with `buildctl` where that one has buildx. What takes the place of a stage
that can't be built here comes from LOCALCLOUD_BUILD_CONTEXTS, so programs and Dockerfiles know nothing of it.
"""
