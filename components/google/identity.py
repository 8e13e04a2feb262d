"""Who somebody is in an IAM policy of Google's: a pod, or one of Google's own services.

A pod is its own Kubernetes account, by Workload Identity Federation for GKE. There is no key file, and no service
account of Google's between that others might come to use.
"""


def of_pods(project: str, number: int, account: str) -> str:
    """The member of an IAM policy. number: the project's. account: `ns/NAMESPACE/sa/NAME`."""
    pool = f"projects/{number}/locations/global/workloadIdentityPools/{project}.svc.id.goog"
    return f"principal://iam.googleapis.com/{pool}/subject/{account}"


def of_service(number: int, domain: str) -> str:
    """A service's own account in the project of this number, which uses keys for it. domain: of such accounts."""
    return f"serviceAccount:service-{number}@{domain}.iam.gserviceaccount.com"


def of_storage(number: int) -> str:
    """Cloud Storage's."""
    return of_service(number, "gs-project-accounts")
