"""The `gcp` provider: a simulated Google Cloud. It never speaks to the real one, and takes no credentials.

It stands in for pulumi-gcp 10.2.0, so that the program of a stack on Google Cloud can be run before there is a project.
What pulumi-gcp's own types and documentation say of inputs is checked (`derive`, `shape`), Google's documented refusals
are its own (`refusals`), and what there is is kept in one place apart from any stack's state (`cloud`). What Google
really answers stays unverified: docs/local-cloud.md says what is checked here, what is refused and what is missing.
"""
