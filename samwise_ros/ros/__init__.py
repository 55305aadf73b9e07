"""The ROS 2 side: nodes, messages, commands. The only part of the package that needs ROS installed."""
