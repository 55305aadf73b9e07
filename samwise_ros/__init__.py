"""samwise_ros: say what to look at, and the robot sees it.

The package has two halves that share this name: the Python module in this folder, and the messages and
services that `colcon build` generates from `msg/` and `srv/`. `extend_path` lets Python find both, also when
this source folder comes first on the path.
"""

__path__ = __import__("pkgutil").extend_path(__path__, __name__)

__version__ = "0.1.0"
