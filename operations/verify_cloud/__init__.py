"""`make verify-cloud PROJECT=…`: what could not be tried without Google is tried in a project there, and removed.

A stack of its own is made there by the program as it is; each claim of the documents that can be looked at cheaply is
looked at; then the stack goes, however it went. What was not tried is named, with the reason.
"""
