"""What a stack stands on when it runs on Google Cloud, one component a file.

Every field is checked against pulumi-gcp's types and by tests on mocks. What Google's own API says to it is unverified
until a project has been made with it.
"""
