# Enter the ROS 2 environment of this checkout: `. tools/ros_env.sh` from bash, in any folder.
#
# Python is .venv's. ROS 2 is the sourced distribution (ROS_DISTRO is set), or where there is none the wheels in .venv.
# Values that are already set for discovery and Fast DDS are kept.

_samwise_root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
_samwise_venv="$_samwise_root/.venv"
export PATH="$_samwise_venv/bin:$PATH"

if [ -z "${ROS_DISTRO:-}" ]; then
    export AMENT_PREFIX_PATH="$_samwise_venv"
    export CMAKE_PREFIX_PATH="$_samwise_venv"
    # The wheels' libraries. With only one of these two set, Python starts a second time to find them, in random order.
    export LD_LIBRARY_PATH="$_samwise_venv/lib$(printf ':%s' "$_samwise_venv"/lib/python3.*/site-packages/ros_*.libs)"
    export _ROS_WHEELS_BOOTSTRAP_COMPLETE=1
    # A distribution's own setting stays: its robot is to be heard on the network.
    export ROS_AUTOMATIC_DISCOVERY_RANGE="${ROS_AUTOMATIC_DISCOVERY_RANGE:-LOCALHOST}"
fi

unset PYTHONDONTWRITEBYTECODE # nodes start four times slower without cached bytecode
export FASTRTPS_DEFAULT_PROFILES_FILE="${FASTRTPS_DEFAULT_PROFILES_FILE:-$_samwise_root/config/fastdds.xml}"

if [ -f "$_samwise_root/install/local_setup.bash" ]; then
    . "$_samwise_root/install/local_setup.bash"
fi
unset _samwise_root _samwise_venv
