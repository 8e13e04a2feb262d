"""Moments that monitoring is to know of, and that nothing inside of the cluster sees, by the names of their Leases."""

# A release was brought, or brought back, and is on record as good.
DELIVERED = "last-delivery"
# Somebody looked for drift, and somebody found none: where the former is the newer, there is some.
CHECKED, UNCHANGED = "drift-checked", "drift-none"
ALL = (DELIVERED, CHECKED, UNCHANGED)
