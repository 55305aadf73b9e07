"""Serves pip, with what pyproject.toml says; colcon builds the ROS package from package.xml and CMakeLists.txt."""

from setuptools import setup

setup()
