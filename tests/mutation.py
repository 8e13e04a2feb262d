"""Takes each check of the settings out, one at a time, and sees that a test notices: `make mutate`.

    make mutate                                        all of them
    make mutate ARGUMENTS=components/checks/room.py    those of one file
    make mutate ARGUMENTS=--checks                     only whole checks, bounds and forms taken out: the quickest
    make mutate ARGUMENTS=--list                       what would be tried

A mutant is the program with one thing changed: a bound moved or dropped, a comparison turned round, a `raise` or
`yield` left out, a choice or a check missing. Each runs the tests of the settings in a process of its own, forked from
one that has imported everything else. One that all tests pass is a hole in them, or equal to the original for a reason
that stands in EQUAL.
"""

import argparse
import ast
import copy
import gc
import importlib
import importlib.abc
import importlib.util
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
UNIT = "tests/unit/test_{}.py"
_MODELS = ("settings", "checks", "checks_networks", "unbuilt", "stack_files")
# File -> the tests that look at it, those first that most often notice.
TESTS: dict[str, Sequence[str]] = {
    **{
        f"components/checks/{name}.py": ("checks", "checks_networks", "settings", "configuration")
        for name in ("__init__", "application", "disks", "members", "networks", "room", "times", "uploads")
    },
    "components/configuration.py": ("configuration", "settings", "stack_files", "demands"),
    "components/demands.py": ("demands", "settings"),
    "components/stack_file.py": ("stack_files", "configuration"),
    "components/unbuilt.py": ("unbuilt",),
    "components/values.py": ("settings_constraints", "values", *_MODELS),
    "components/wording.py": ("settings", "configuration"),
    **{
        f"components/settings/{name}.py": (
            "settings_constraints",
            "settings",
            "checks",
            "checks_networks",
            "unbuilt",
            "stack_files",
        )
        for name in ("__init__", "app", "capacity", "cluster", "data", "edge", "governance", "monitoring", "storage")
    },
}
# What the tests use and no mutant changes: loaded once.
IMPORTED = (
    *("jsonschema", "pulumi", "pulumi_docker_build", "pulumi_random", "yaml"),
    *("pydantic.main", "pydantic.types", "pydantic.fields", "pydantic.functional_validators"),
    *(f"pulumi_kubernetes.{area}.v1" for area in ("apps", "batch", "core", "meta", "networking", "policy", "rbac")),
    "pulumi_kubernetes.autoscaling.v2",
)
PATIENCE = 300  # seconds for one mutant on a busy machine; one that runs in a circle is noticed by this

# Mutants that no test can notice, because they do the same: file and change -> why.
EQUAL: dict[tuple[str, str], str] = {}

_TURNED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
}
_BOUNDS = {"ge", "gt", "le", "min_length"}


@dataclass(frozen=True)
class Mutant:
    """One change of one file. line, change: for the reader. tree: what runs instead."""

    file: str
    line: int
    change: str
    tree: ast.Module

    @property
    def takes_a_check_out(self) -> bool:
        """Whether a whole check, bound or form is gone, and not only turned or moved."""
        return bool(
            re.search(r": (dropped|any|not called)$|^(yield|raise) |^(_[a-z_]+|Demand\(.*): left out$", self.change)
        )


def mutants(file: str) -> Iterator[Mutant]:
    """Everything that could be wrong with a file and should be noticed."""
    original = ast.parse((CHECKOUT / file).read_text())
    passed_over = {id(inner) for node in ast.walk(original) for value in _no_checks(node) for inner in ast.walk(value)}
    for index, node in enumerate(ast.walk(original)):
        if id(node) in passed_over:
            continue
        for number, (change, _) in enumerate(_changes(node)):
            tree = copy.deepcopy(original)
            twin = next(each for position, each in enumerate(ast.walk(tree)) if position == index)
            _changes(twin)[number][1]()
            yield Mutant(file, getattr(node, "lineno", 0), change, ast.fix_missing_locations(tree))


def _no_checks(node: ast.AST) -> Iterator[ast.AST]:
    """Parts that check nothing: defaults, which the page of the settings shows, types, what a module exports."""
    match node:
        case ast.Assign(targets=[ast.Name(id="__all__")]):
            yield node.value
        case ast.ClassDef(body=body):
            for statement in body:
                match statement:
                    case ast.AnnAssign(value=ast.Constant() | ast.Tuple() as value):
                        yield value
                    case ast.AnnAssign(value=ast.Call(func=ast.Name(id=name)) as call) if name != "Field":
                        yield call
        case ast.FunctionDef(returns=returns, args=arguments, body=body):
            yield from (each.annotation for each in arguments.args if each.annotation)
            yield from [returns] if returns else []
            yield from (each.annotation for each in body if isinstance(each, ast.AnnAssign))
        case ast.Module(body=body):
            yield from (each.annotation for each in body if isinstance(each, ast.AnnAssign))
        case ast.keyword(arg="default"):
            yield node.value


def _changes(node: ast.AST) -> list[tuple[str, Callable[[], Any]]]:
    """What can be changed at a node, in words, and how."""
    found: list[tuple[str, Callable[[], Any]]] = []
    match node:
        case ast.Compare(ops=[operator]) if type(operator) in _TURNED:
            other = _TURNED[type(operator)]
            found.append((f"{ast.unparse(node)}: {other.__name__}", lambda: setattr(node, "ops", [other()])))
        case ast.BoolOp(op=operator) | ast.BinOp(op=operator) if type(operator) in _TURNED and not _of_types(node):
            other = _TURNED[type(operator)]
            found.append((f"{ast.unparse(node)}: {other.__name__}", lambda: setattr(node, "op", other())))
        case ast.UnaryOp(op=ast.Not()):
            turned = ast.Call(ast.Name("bool", ast.Load()), [node.operand], [])
            found.append((f"{ast.unparse(node)}: without not", lambda: _become(node, turned)))
        case ast.If(test=test):
            found.append((f"if {ast.unparse(test)}: never", lambda: setattr(node, "test", ast.Constant(False))))
            found.append((f"if {ast.unparse(test)}: always", lambda: setattr(node, "test", ast.Constant(True))))
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            found.append((f"{value}: one more", lambda: setattr(node, "value", value + 1)))
        case ast.Constant(value=bool() as value):
            found.append((f"{value}: {not value}", lambda: setattr(node, "value", not value)))
        case ast.Call(func=ast.Name(id="form"), args=[pattern, *_]):
            found.append(
                (f"form {ast.unparse(pattern)}: any", lambda: node.args.__setitem__(0, ast.Constant("(?s).*")))
            )
        case ast.Call(func=ast.Name(id="Field"), keywords=keywords):
            for place, keyword in enumerate(keywords):
                if keyword.arg in _BOUNDS:
                    change = f"{ast.unparse(keyword)}: dropped"
                    found.append((change, lambda place=place: node.keywords.pop(place)))  # type: ignore[misc]
        case ast.Tuple(elts=elements) | ast.Set(elts=elements) | ast.List(elts=elements) if len(elements) > 1:
            for place, element in enumerate(elements):
                is_type = place == 0 and isinstance(element, ast.Name | ast.Subscript)
                if not is_type or ast.unparse(element).startswith("_"):
                    change = f"{ast.unparse(element)[:60]}: left out"
                    found.append((change, lambda place=place: node.elts.pop(place)))  # type: ignore[misc]
    for body in (getattr(node, "body", None), getattr(node, "orelse", None)):
        for place, statement in enumerate(body if isinstance(body, list) else []):
            match statement:
                case ast.Raise() | ast.Expr(value=ast.Yield() | ast.YieldFrom()):
                    change = f"{ast.unparse(statement)[:60]}: left out"
                    found.append((change, lambda body=body, place=place: body.__setitem__(place, ast.Pass())))  # type: ignore[misc]
    if isinstance(node, ast.FunctionDef) and any("validator" in ast.unparse(each) for each in node.decorator_list):
        found.append((f"{node.name}: not called", node.decorator_list.clear))
    return found


def _of_types(node: ast.AST) -> bool:
    """`X | None` and paths with `/` are none of ours."""
    return isinstance(node, ast.BinOp) and not isinstance(node.op, ast.Add | ast.Sub | ast.Mult | ast.FloorDiv)


def _become(node: ast.AST, other: ast.AST) -> None:
    node.__class__ = other.__class__
    node.__dict__.update(other.__dict__)


class _Instead(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports a mutant where its file would be imported."""

    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant
        self.module = mutant.file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    def find_spec(self, fullname: str, path: Any, target: ModuleType | None = None) -> Any:  # noqa: ARG002
        if fullname != self.module:
            return None
        package = self.mutant.file.endswith("__init__.py")
        where = str(CHECKOUT / self.mutant.file)
        places = [str(Path(where).parent)] if package else None
        return importlib.util.spec_from_file_location(fullname, where, loader=self, submodule_search_locations=places)

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self.mutant.tree, str(CHECKOUT / self.mutant.file), "exec"), module.__dict__)  # noqa: S102


def _run(mutant: Mutant) -> None:
    """The tests on a mutant, in a process of their own. It ends with 0 where all of them pass."""
    sys.meta_path.insert(0, _Instead(mutant))
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    options = ["-x", "-q", "--assert=plain", "-p", "no:cacheprovider"]
    try:
        noticed = any(pytest.main([*options, UNIT.format(name)]) != 0 for name in TESTS[mutant.file])
    except BaseException:
        noticed = True
    os._exit(1 if noticed else 0)


def survivors(tried: Sequence[Mutant], processes: int) -> Iterator[Mutant]:
    """Those that no test notices."""
    waiting, running = list(reversed(tried)), dict[int, tuple[Mutant, float]]()
    while waiting or running:
        while waiting and len(running) < processes:
            mutant = waiting.pop()
            if (child := os.fork()) == 0:
                _run(mutant)
            running[child] = (mutant, time.monotonic())
        child, status = os.waitpid(-1, os.WNOHANG)
        if child == 0:
            for late, (_, started) in running.items():
                if time.monotonic() - started > PATIENCE:
                    os.kill(late, 9)
            time.sleep(0.02)
            continue
        mutant, _ = running.pop(child)
        if os.WIFSIGNALED(status):
            sys.exit(f"{mutant.file}:{mutant.line}: {mutant.change}: no answer in {PATIENCE} s; is the machine busy?")
        if status == 0:
            yield mutant
        if sys.stderr.isatty():
            done = len(tried) - len(waiting) - len(running)
            print(f"\r{done} of {len(tried)} ", end="", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(prog="make mutate", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("files", nargs="*", default=list(TESTS))
    parser.add_argument("--list", action="store_true", help="what would be tried")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--checks", action="store_true", help="only whole checks, bounds and forms taken out")
    arguments = parser.parse_args()
    os.chdir(CHECKOUT)
    tried = [mutant for file in arguments.files for mutant in mutants(file)]
    tried = [
        mutant
        for mutant in tried
        if (mutant.file, mutant.change) not in EQUAL and (mutant.takes_a_check_out or not arguments.checks)
    ]
    if arguments.list:
        for mutant in tried:
            print(f"{mutant.file}:{mutant.line}: {mutant.change}")
        return
    for module in IMPORTED:
        importlib.import_module(module)
    gc.freeze()
    unchanged = [Mutant(file, 0, "unchanged", ast.parse((CHECKOUT / file).read_text())) for file in arguments.files]
    if len(list(survivors(unchanged, arguments.processes))) < len(unchanged):
        sys.exit("the tests fail without any change: mend that first")
    found = 0
    for mutant in survivors(tried, arguments.processes):
        found += 1
        print(f"\r{mutant.file}:{mutant.line}: {mutant.change}", flush=True)
    print(f"\r{len(tried)} mutants, {found} not noticed: {100 - 100 * found / len(tried):.1f} % noticed")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
