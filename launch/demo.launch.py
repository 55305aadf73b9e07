"""Start a camera that films a made-up world and the node `samwise` on it: `ros2 launch samwise_ros demo.launch.py`.

The camera films for half a minute, in which the node misses its images, and then shows its film again and again. Say
what to follow:
`ros2 topic pub --once text_command std_msgs/msg/String "{data: 'follow the violet cone'}"`.
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

PASSED_ON = ("model", "rviz", "namespace", "image")
"""Arguments of samwise.launch.py."""


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments; start the camera, the node, and RViz where it is wanted."""
    share = FindPackageShare("samwise_ros")
    return LaunchDescription(
        [
            DeclareLaunchArgument("model", default_value="compact", description="A preset, of SAMWISE or RefSAM."),
            DeclareLaunchArgument("seed", default_value="0", description="Number of the world that the camera films."),
            DeclareLaunchArgument(
                "video", default_value="", description="Path of a video to show instead of the made-up world."
            ),
            DeclareLaunchArgument("rate_hz", default_value="10.0", description="Images per second."),
            DeclareLaunchArgument("rviz", default_value="false", description="true shows it all in RViz."),
            DeclareLaunchArgument("namespace", default_value="", description="Namespace of camera and node."),
            DeclareLaunchArgument("image", default_value="image", description="Topic of the camera's images."),
            Node(
                package="samwise_ros",
                executable="synthetic_camera",
                name="synthetic_camera",
                namespace=LaunchConfiguration("namespace"),
                remappings=[("image", LaunchConfiguration("image"))],
                parameters=[
                    {
                        "seed": ParameterValue(LaunchConfiguration("seed"), value_type=int),
                        "video": ParameterValue(LaunchConfiguration("video"), value_type=str),
                        "rate_hz": ParameterValue(LaunchConfiguration("rate_hz"), value_type=float),
                    }
                ],
                output="screen",
            ),
            IncludeLaunchDescription(
                PathJoinSubstitution([share, "launch", "samwise.launch.py"]),
                launch_arguments={name: LaunchConfiguration(name) for name in PASSED_ON}.items(),
            ),
        ]
    )
