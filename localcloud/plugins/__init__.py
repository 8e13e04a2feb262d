"""Stand-ins for provider plugins that can't be had here: same tokens, same properties, same documented behaviour.

`provider` is the ground they stand on. Each plugin is a module that the Pulumi engine starts as a program of its own:
`python -m localcloud.plugins.<name>`.
"""
