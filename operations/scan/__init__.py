"""What our images are made of, which of that is known to be vulnerable, and which secrets lie in them.

syft lists the parts (SBOM), grype compares them with a database of vulnerabilities, gitleaks reads the files of every
layer. A vulnerability that is high or critical and has a fix fails the scan, and so does a secret, unless allowed.yaml
allows it for a while. What could not be looked at never passes: without a database of these days there is no result.
"""
