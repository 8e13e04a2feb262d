"""A Pulumi program's own process: the language host starts it, with the project's Python, for each preview and update.

It stands alone on purpose. The project's virtual environment has the Pulumi SDK and nothing of ours, so this file
imports neither.
"""

import sys

# Python puts this file's folder first, where the program would find our modules instead of its own.
sys.path.pop(0)

import argparse
import asyncio
import gc
import logging
import os
import runpy
import signal
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TOLD = 32  # exit code: the person has seen the reason already, nothing more is to be said
# Objects between two passes of the garbage collector, some 100 MB. What a program makes lives until it ends: passes as
# often as Python makes them find nothing, and took a sixth of the processor time of a preview.
_COLLECTED = 1_000_000


def main() -> int:
    """Run the program; 0 when it and all that it registered went well."""
    # The engine interrupts the language host's process group when it is done: no reason for a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    gc.set_threshold(_COLLECTED)
    arguments = _arguments()
    try:
        import grpc  # noqa: PLC0415  the project may lack it
        import pulumi  # noqa: PLC0415
    except ImportError as error:
        print(  # noqa: T201
            f"{error}. The project's Python is {sys.executable}: `pulumi install` puts the program's packages there.",
            file=sys.stderr,
        )
        return 1
    pulumi.runtime.set_all_config(pulumi.runtime.get_config_env(), pulumi.runtime.get_config_secret_keys_env())
    pulumi.runtime.configure(
        pulumi.runtime.Settings(
            monitor=arguments.monitor,
            engine=arguments.engine,
            project=arguments.project,
            stack=arguments.stack,
            organization=arguments.organization,
            root_directory=arguments.root_directory,
            parallel=arguments.parallel,
            dry_run=arguments.dry_run,
        )
    )
    sys.argv = [arguments.program, *arguments.arguments]
    os.chdir(arguments.directory)
    # A graph that is given up half way leaves futures behind, of which asyncio would speak at length.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.set_default_executor(ThreadPoolExecutor(max_workers=4 * max(arguments.parallel, 1)))
    try:
        loop.run_until_complete(pulumi.runtime.run_in_stack(lambda: _run(arguments.program)))
    except pulumi.RunError as error:
        pulumi.log.error(str(error))
        return TOLD
    except grpc.RpcError as error:
        # The monitor goes away when the engine has failed or was cancelled, and has said so.
        if error.code() != grpc.StatusCode.UNAVAILABLE:
            pulumi.log.error(f"The engine refused a request: {error.details()}")
        return TOLD
    except Exception as error:
        pulumi.log.error(f"Program failed with an unhandled exception:\n{_of_the_program(error)}")
        return TOLD
    finally:
        loop.close()
        gc.freeze()  # or the interpreter looks through all of the program's objects as it ends, for 0.4 s
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run a Pulumi program on an engine that waits for it.")
    for name in ("monitor", "engine", "project", "stack", "organization", "root-directory", "directory"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--parallel", type=int, required=True)
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("program")
    parser.add_argument("arguments", nargs="*")
    return parser.parse_args()


def _run(program: str) -> None:
    runpy.run_path(program, run_name="__main__")


def _of_the_program(error: Exception) -> str:
    """The traceback from the program's first line on: what called it is of no help to its author."""
    here = Path.cwd()
    frames = error.__traceback__
    while frames is not None and not _is_below(here, frames.tb_frame.f_code.co_filename):
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames or error.__traceback__))


def _is_below(folder: Path, file: str) -> bool:
    return not file.startswith("<") and folder in Path(file).absolute().parents


if __name__ == "__main__":
    sys.exit(main())
