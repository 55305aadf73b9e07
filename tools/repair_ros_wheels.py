"""Make the ROS 2 wheels of this environment fit to build interfaces; `make setup` runs it after installing them.

The CMake files in the wheels name the include folders of the machine that built them. This writes the folders of this
interpreter and its numpy in their place. Running it twice changes nothing.
"""

import re
import sys
import sysconfig
from pathlib import Path

import numpy as np

BUILDER_PYTHON_INCLUDE = re.compile(r"/opt/python/[^/;\"]+/include/python[\d.]+")
BUILDER_NUMPY_INCLUDE = re.compile(r"/opt/python/[^;\"]+/site-packages/numpy/_core/include")


def main() -> None:
    """Rewrite every CMake file under the environment's `share/` that names a builder's folder."""
    for path in Path(sys.prefix, "share").rglob("*.cmake"):
        text = path.read_text(encoding="utf-8")
        repaired = BUILDER_NUMPY_INCLUDE.sub(np.get_include(), text)
        repaired = BUILDER_PYTHON_INCLUDE.sub(sysconfig.get_paths()["include"], repaired)
        if repaired != text:
            path.write_text(repaired, encoding="utf-8")


if __name__ == "__main__":
    main()
