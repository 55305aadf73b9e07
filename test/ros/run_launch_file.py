"""Runs a launch file as `ros2 launch` does: `python run_launch_file.py FILE name:=value …`. The tests start it."""

import sys

from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

if __name__ == "__main__":
    arguments = [argument.split(":=", 1) for argument in sys.argv[2:]]
    service = LaunchService()
    included = IncludeLaunchDescription(PythonLaunchDescriptionSource(sys.argv[1]), launch_arguments=arguments)
    service.include_launch_description(LaunchDescription([included]))
    sys.exit(service.run())
