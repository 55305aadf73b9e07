# Enter the ROS 2 environment of this checkout: `. tools/ros_env.sh` from bash, in any folder.
#
# Python is .venv's. ROS 2 is the sourced distribution (ROS_DISTRO is set), or where there is none the wheels in .venv.
# Values that are already set for discovery and Fast DDS are kept.

if [ -z "${BASH_VERSION:-}" ]; then
    echo "tools/ros_env.sh: this shell is not bash: start bash first" >&2
    return 1
fi
_samwise_root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
_samwise_venv="$_samwise_root/.venv"
if [ ! -e "$_samwise_venv/.made-for-${ROS_DISTRO:-wheels}" ]; then
    _samwise_made="$(ls -a "$_samwise_venv" 2>/dev/null | sed -n 's/^\.made-for-//p')"
    if [ -z "$_samwise_made" ]; then
        echo "tools/ros_env.sh: there is no finished .venv: run make setup" >&2
    else
        echo "tools/ros_env.sh: .venv was made for $_samwise_made, this terminal has ${ROS_DISTRO:-no ROS sourced}: source that" \
            "ROS first, or run make setup to replace .venv" >&2
    fi
    unset _samwise_root _samwise_venv _samwise_made
    return 1
fi
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
# On Humble the profile's network would be there beside the loopback that this variable asks for.
if [ "${ROS_DISTRO:-}" != humble ] || [ "${ROS_LOCALHOST_ONLY:-0}" != 1 ]; then
    export FASTRTPS_DEFAULT_PROFILES_FILE="${FASTRTPS_DEFAULT_PROFILES_FILE:-$_samwise_root/config/fastdds.xml}"
    export FASTDDS_DEFAULT_PROFILES_FILE="${FASTDDS_DEFAULT_PROFILES_FILE:-$FASTRTPS_DEFAULT_PROFILES_FILE}" # its name since Kilted
fi

if [ -f "$_samwise_root/install/local_setup.bash" ]; then
    _samwise_options="$-"
    set +u # colcon's script reads what may not be set
    . "$_samwise_root/install/local_setup.bash"
    case "$_samwise_options" in *u*) set -u ;; esac
fi
unset _samwise_root _samwise_venv _samwise_options
