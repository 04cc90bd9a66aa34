"""`python -m xiaoer_server.infer.pull FOLDER NAME…`: makes models that are missing, in a process of its own.

The server starts it the first time. Making a model takes seconds of a processor and a gigabyte of memory, which the
process that answers visitors should not have had.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from .manifest import ModelRefused
from .models import ModelStore

#: How far it gives way to the server's process.
NICE = 5


def main(arguments: list[str]) -> int:
    """Make them; a line of progress each step. Returns the exit code: 1 where one could not be made."""
    os.nice(NICE)
    store = ModelStore(Path(arguments[0]))
    code = 0
    for name in arguments[1:]:
        try:
            manifest = store.pull(name, lambda line: print(line, flush=True))
            print(f"{manifest.version} is ready", flush=True)
        except ModelRefused as error:
            print(f"model {name}: {error}", flush=True)
            code = 1
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
