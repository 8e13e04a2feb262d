"""When an object is ready, when it is gone, and if neither: why.

`readiness` says what it means to be ready; a module per kind says it for that kind, as a pure function of the object
and those around it. `follow` keeps those up to date, `wait` asks again whenever one changes, `pods` looks for the
reason when it lasts too long. `registry` knows which kind has which, `conventions` serves those that have none.
"""
