"""Stand-in for the official Kubernetes provider, pulumi-kubernetes 4.34.2, against a real API server.

It makes, changes, reads and removes any resource that the API server knows, with the official one's documented
behaviour: names, defaults, diffs and replacements, server-side apply, waiting until things are ready. It works with
clusters on this machine alone, and with state that it wrote itself (`quarantine`).

Its parts, from the ground up: `kubeconfig`, `credentials`, `client` and `discovery` speak with the API server;
`objects`, `naming`, `replacement`, `comparison` and `state` know what a resource is without asking anyone;
`operations` makes, changes and removes objects; `awaiting` knows when they are ready; `provider` puts them together.
"""
