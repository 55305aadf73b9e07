"""Start the node `samwise` on a camera: `ros2 launch samwise_ros samwise.launch.py image:=/camera/image_raw`.

Several cameras in one process share one copy of the model: `cameras:="[front, rear]" image:=image_raw` listens to
`/front/image_raw` and `/rear/image_raw`, and answers under `/front/samwise` and `/rear/samwise`.
"""

import yaml
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

TOPICS = {
    "image": "Topic of the camera's images.",
    "depth": "Topic of depth images that are registered to the camera's, for boxes in 3D.",
    "camera_info": "Topic of the camera's calibration, for boxes in 3D.",
    "text_command": "Topic of the commands, std_msgs/String.",
}

PARAMETERS = {
    "model": (str, "compact, tiny, base_plus or large."),
    "weights": (str, "Path of a weights file."),
    "cache_dir": (str, "Folder of `samwise download`."),
    "device": (str, "auto, cpu, cuda or cuda:N."),
    "image_transport": (str, "raw or compressed."),
    "targets": (list, 'What to follow from the start, as in "[the red mug, the dog]".'),
    "use_depth": (bool, "true takes depth and camera_info too, for boxes in 3D."),
    "autostart": (bool, "false leaves configure and activate to you: ros2 lifecycle set."),
    "use_sim_time": (bool, "true takes the time from /clock, as with a recording."),
}
"""Parameters that may be given here too; each empty for what params_file says."""


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments; start the node, and RViz where it is wanted."""
    share = FindPackageShare("samwise_ros")
    return LaunchDescription(
        [
            *(DeclareLaunchArgument(name, default_value=name, description=text) for name, text in TOPICS.items()),
            *(
                DeclareLaunchArgument(name, default_value="", description=f"{text} Empty for what params_file says.")
                for name, (_, text) in PARAMETERS.items()
            ),
            DeclareLaunchArgument(
                "params_file",
                default_value=PathJoinSubstitution([share, "config", "samwise.yaml"]),
                description="Path of a YAML file with the node's parameters.",
            ),
            DeclareLaunchArgument("namespace", default_value="", description="Namespace of the node and its topics."),
            DeclareLaunchArgument("name", default_value="samwise", description="The node's name."),
            DeclareLaunchArgument(
                "cameras", default_value="[]", description="Namespaces of cameras, a node for each: [front, rear]."
            ),
            DeclareLaunchArgument("log_level", default_value="info", description="debug, info, warn, error or fatal."),
            DeclareLaunchArgument("rviz", default_value="false", description="true shows it all in RViz."),
            OpaqueFunction(function=start_node),
            Node(
                package="rviz2",
                executable="rviz2",
                namespace=LaunchConfiguration("namespace"),
                arguments=["--display-config", PathJoinSubstitution([share, "config", "samwise.rviz"])],
                remappings=[("image", LaunchConfiguration("image"))],
                condition=IfCondition(LaunchConfiguration("rviz")),
            ),
        ]
    )


def read_value(name: str, text: str) -> bool | list[str] | ParameterValue:
    """Read an argument as its parameter's type; a text stays one, also where it looks like a number."""
    kind = PARAMETERS[name][0]
    if kind is str:
        return ParameterValue(text, value_type=str)
    value = yaml.safe_load(text)
    if not isinstance(value, kind):
        expected = "true or false" if kind is bool else "a list such as [the red mug, the dog]"
        raise ValueError(f"launch argument {name} is '{text}', expected {expected}: correct it")
    return [str(item) for item in value] if kind is list else value


def start_node(context: LaunchContext) -> list[Node]:
    """Start the node; an argument that was given wins over the parameter file."""
    given = {name: context.launch_configurations[name] for name in PARAMETERS}
    overrides = {name: read_value(name, text) for name, text in given.items() if text}
    namespace, name = (context.launch_configurations[key] for key in ("namespace", "name"))
    cameras = yaml.safe_load(context.launch_configurations["cameras"]) or []
    ros_arguments = ["--log-level", LaunchConfiguration("log_level")]
    if cameras:
        # The process gives its nodes their namespaces; launch would put all of them into one.
        named = {"arguments": ["--cameras", *(f"{namespace}/{camera}".lstrip("/") for camera in cameras)]}
        ros_arguments += ["--remap", f"__node:={name}"]
    else:
        named = {"name": name, "namespace": namespace}
    return [
        Node(
            package="samwise_ros",
            executable="samwise_node",
            parameters=[LaunchConfiguration("params_file"), *([overrides] if overrides else [])],
            remappings=[(topic, LaunchConfiguration(topic)) for topic in TOPICS],
            ros_arguments=ros_arguments,
            output="screen",
            **named,
        )
    ]
