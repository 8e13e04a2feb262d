"""What stands in for Google Cloud and the internet on one Linux machine.

A real Kubernetes, a registry, an image builder and Pulumi's plugins, made from package registries alone. Nothing in
`components` knows of this package.
"""
