"""The process of one cell: ``python -m driftwise.tracking.cell_process`` as `run_cells` starts it.

usage: cell_process TARGET RESULTS ROW SETTING SEED PARENT
"""

import os
import sys
import threading
import time

from .cells import SKIPPED, Cell, SkipCell, compute_cell, import_result


def _die_with(parent: int) -> None:
    """End this process when its parent has ended: nobody would wait for the cell any more."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def main(arguments: list[str]) -> None:
    """Compute the cell that the arguments name."""
    target, results, row, setting, seed, parent = arguments
    threading.Thread(target=_die_with, args=(int(parent),), daemon=True).start()
    try:
        compute_cell(import_result(target), Cell(row, setting, int(seed)), results)
    except SkipCell as reason:
        print(reason)
        sys.exit(SKIPPED)


if __name__ == "__main__":
    main(sys.argv[1:])
