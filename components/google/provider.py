"""Who Google is asked as, and on whose bill: one provider of each program's own, as the default ones are off."""

import pulumi_gcp as gcp
from pulumi import Resource, ResourceOptions


def of_project(project: str, region: str, parent: Resource) -> gcp.Provider:
    """Makes everything in one project."""
    return gcp.Provider(
        "google",
        project=project,
        region=region,
        # Who calls an API is counted and billed where the resources are, not where the credentials come from.
        billing_project=project,
        user_project_override=True,
        opts=ResourceOptions(parent=parent),
    )
