"""Who a pod is to Google: its own Kubernetes account, by Workload Identity Federation for GKE.

There is no key file, and no service account of Google's between that others might come to use.
"""


def of_pods(project: str, number: int, account: str) -> str:
    """The member of an IAM policy. number: the project's. account: `ns/NAMESPACE/sa/NAME`."""
    pool = f"projects/{number}/locations/global/workloadIdentityPools/{project}.svc.id.goog"
    return f"principal://iam.googleapis.com/{pool}/subject/{account}"
