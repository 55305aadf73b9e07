"""Start the node `samwise` on a camera: `ros2 launch samwise_ros samwise.launch.py image:=/camera/image_raw`."""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

PARAMETERS = ("model", "weights", "cache_dir", "device")


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments and start the node with them."""
    return LaunchDescription(
        [
            DeclareLaunchArgument("image", default_value="image", description="Topic of the camera's images."),
            DeclareLaunchArgument(
                "text_command", default_value="text_command", description="Topic of the commands, std_msgs/String."
            ),
            DeclareLaunchArgument(
                "model",
                default_value="",
                description="compact, tiny, base_plus or large; empty for what params_file says.",
            ),
            DeclareLaunchArgument(
                "weights",
                default_value="",
                description="Path of a weights file; empty for what params_file says.",
            ),
            DeclareLaunchArgument(
                "cache_dir",
                default_value="",
                description="Folder of `samwise download`; empty for what params_file says.",
            ),
            DeclareLaunchArgument(
                "device",
                default_value="",
                description="auto, cpu, cuda or cuda:N; empty for what params_file says.",
            ),
            DeclareLaunchArgument(
                "params_file",
                default_value=PathJoinSubstitution([FindPackageShare("samwise_ros"), "config", "samwise.yaml"]),
                description="Path of a YAML file with the node's parameters.",
            ),
            DeclareLaunchArgument("namespace", default_value="", description="Namespace of the node and its topics."),
            DeclareLaunchArgument("log_level", default_value="info", description="debug, info, warn, error or fatal."),
            OpaqueFunction(function=start_node),
        ]
    )


def start_node(context: LaunchContext) -> list[Node]:
    """Start the node; an argument that was given wins over the parameter file."""
    given = {name: context.launch_configurations[name] for name in PARAMETERS}
    overrides = {name: ParameterValue(value, value_type=str) for name, value in given.items() if value}
    return [
        Node(
            package="samwise_ros",
            executable="samwise_node",
            name="samwise",
            namespace=LaunchConfiguration("namespace"),
            parameters=[LaunchConfiguration("params_file"), *([overrides] if overrides else [])],
            remappings=[(topic, LaunchConfiguration(topic)) for topic in ("image", "text_command")],
            ros_arguments=["--log-level", LaunchConfiguration("log_level")],
            output="screen",
        )
    ]
