#!/usr/bin/env bash
# Whether this machine can make the environment; `make setup` runs it first. Says in one sentence what is missing.
# usage: tools/check_host.sh PYTHON
python="$1"

fail() {
    echo "setup: $*" >&2
    exit 1
}

version="$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" ||
    fail "'$python' does not run, expected Python 3.10 or newer: install one, or name it (make setup PYTHON=python3.12)"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
    fail "'$python' is Python $version, expected 3.10 or newer: install one, or name it (make setup PYTHON=python3.12)"
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "'$python' has no venv module, which the environment is made with: sudo apt install python$version-venv"
header="$("$python" -c 'import sysconfig; print(sysconfig.get_paths()["include"])')/Python.h"
[ -f "$header" ] || fail "Python's header $header is missing, which messages are built with: sudo apt install python$version-dev"
command -v c++ >/dev/null || fail "there is no C++ compiler, which messages are built with: sudo apt install build-essential"

if [ -n "${ROS_DISTRO:-}" ]; then
    command -v colcon >/dev/null ||
        fail "ROS 2 $ROS_DISTRO is sourced but colcon is missing: sudo apt install python3-colcon-common-extensions"
    "$python" -c 'import rclpy' 2>/dev/null ||
        fail "ROS 2 $ROS_DISTRO is sourced but '$python' cannot import its rclpy: name its Python (make setup PYTHON=/usr/bin/python3)"
elif [ "$(uname -sm)" != "Linux x86_64" ]; then
    fail "this is $(uname -sm), and ROS 2 comes from wheels on Linux x86_64 alone: install and source a ROS 2 distribution first"
fi
