"""Start the node `samwise` on a camera: `ros2 launch samwise_ros samwise.launch.py image:=/camera/image_raw`.

Several cameras in one process share one copy of the model: `cameras:="[front, rear]" image:=image_raw` listens to
`/front/image_raw` and `/rear/image_raw`, and answers under `/front/samwise` and `/rear/samwise`.
"""

from pathlib import Path

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
    "model": (str, "compact, tiny, base_plus, large, or refsam_compact, _b, _l, _h."),
    "weights": (str, "Path of a weights file."),
    "cache_dir": (str, "Folder of `samwise download`."),
    "device": (str, "auto, cpu, cuda or cuda:N."),
    "precision": (str, "auto, float32, float16 or bfloat16."),
    "image_side_px": (int, "Side of the network's image, a multiple of 64; small things need a large one."),
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
            OpaqueFunction(function=start_rviz, condition=IfCondition(LaunchConfiguration("rviz"))),
        ]
    )


def read_list(name: str, text: str) -> list[str]:
    """Read an argument that is a list; an item stays a text, also where it looks like a number or a truth value."""
    try:
        value = yaml.load(text, Loader=yaml.BaseLoader)
    except yaml.YAMLError:
        value = None
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"launch argument {name} is '{text}', expected a list in brackets, [one, another]: correct it")
    return value


def camera_namespaces(given: dict[str, str]) -> list[str]:
    """Namespaces of the cameras, below that of the launch file that includes this one unless ours is absolute."""
    outer = "" if given["namespace"].startswith("/") else given.get("ros_namespace", "")
    parts = [part.strip("/") for part in (outer, given["namespace"])]
    return ["/".join(filter(None, [*parts, camera.strip("/")])) for camera in read_list("cameras", given["cameras"])]


def read_value(name: str, text: str) -> bool | int | list[str] | ParameterValue:
    """Read an argument as its parameter's type; a text stays one, also where it looks like a number."""
    kind = PARAMETERS[name][0]
    if kind is list:
        items = read_list(name, text)
        if not items:  # launch has no empty list of texts
            raise ValueError(
                f"launch argument {name} is '{text}', expected one or more: leave it out for what params_file says"
            )
        return items
    if kind is bool and text.lower() not in ("true", "false"):
        raise ValueError(f"launch argument {name} is '{text}', expected true or false: correct it")
    if kind is int:
        if not text.isdecimal():
            raise ValueError(f"launch argument {name} is '{text}', expected a whole number: correct it")
        return int(text)
    return text.lower() == "true" if kind is bool else ParameterValue(text, value_type=str)


def start_node(context: LaunchContext) -> list[Node]:
    """Start the node; an argument that was given wins over the parameter file, but for what it says of one camera."""
    given = context.launch_configurations
    overrides = {name: read_value(name, given[name]) for name in PARAMETERS if given[name]}
    params_file = Path(given["params_file"]).expanduser()
    if not params_file.is_file():
        raise ValueError(f"launch argument params_file is '{params_file}', expected a YAML file: correct the path")
    ros_arguments = ["--log-level", given["log_level"]]
    if cameras := camera_namespaces(given):
        # The process gives its nodes their namespaces; launch would put all of them into one.
        named = {"arguments": ["--cameras", *cameras]}
        ros_arguments += ["--remap", f"__node:={given['name']}"]
    else:
        named = {"name": given["name"], "namespace": given["namespace"]}
    return [
        Node(
            package="samwise_ros",
            executable="samwise_node",
            parameters=[str(params_file), *([overrides] if overrides else [])],
            remappings=[(topic, given[topic]) for topic in TOPICS],
            ros_arguments=ros_arguments,
            output="screen",
            **named,
        )
    ]


def start_rviz(context: LaunchContext) -> list[Node]:
    """Start RViz on the node's topics, the first one's of several; its file has them under the default names."""
    given = context.launch_configurations
    cameras = camera_namespaces(given)
    shown = [(f"/samwise/{topic}", f"{given['name']}/{topic}") for topic in ("overlay", "mask", "objects_3d")]
    return [
        Node(
            package="rviz2",
            executable="rviz2",
            namespace=f"/{cameras[0]}" if cameras else given["namespace"],
            arguments=[
                "--display-config",
                PathJoinSubstitution([FindPackageShare("samwise_ros"), "config", "samwise.rviz"]),
            ],
            remappings=[("/image", given["image"]), *shown],
            output="screen",
        )
    ]
