"""The files around the code agree: versions, interfaces, executables, launch files, what git ignores."""

from __future__ import annotations

import ast
import re
import stat
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

import samwise_ros

ROOT = Path(__file__).parent.parent
INTERFACES = sorted([*ROOT.glob("msg/*.msg"), *ROOT.glob("srv/*.srv")])
EXECUTABLES = sorted(path for path in ROOT.glob("scripts/*") if path.is_file())
LAUNCH_FILES = sorted(ROOT.glob("launch/*.launch.py"))


def name_of(path: Path) -> str:
    return path.name


def launch_arguments(path: Path) -> dict[str, ast.Call]:
    """The DeclareLaunchArgument calls of a launch file, by the argument's name; read, since ROS may not be there.

    Those that a table of the file makes are in `launch_table`.
    """
    calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    return {
        ast.literal_eval(call.args[0]): call
        for call in calls
        if isinstance(call.func, ast.Name)
        and call.func.id == "DeclareLaunchArgument"
        and isinstance(call.args[0], ast.Constant)
    }


def launch_table(path: Path, table: str) -> dict[str, ast.expr]:
    """A table of a launch file, by the arguments' names."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            (target,) = node.targets
            if isinstance(target, ast.Name) and target.id == table:
                return {
                    ast.literal_eval(key): value for key, value in zip(node.value.keys, node.value.values, strict=True)
                }
    pytest.fail(f"{path.name} has no table {table}")


def launch_default(path: Path, argument: str) -> str:
    (default,) = (
        keyword.value for keyword in launch_arguments(path)[argument].keywords if keyword.arg == "default_value"
    )
    return str(ast.literal_eval(default))


def test_every_file_tells_the_same_version():
    in_pyproject = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    in_package_xml = ElementTree.parse(ROOT / "package.xml").findtext("version")
    assert in_pyproject is not None
    assert in_pyproject[1] == in_package_xml == samwise_ros.__version__


@pytest.mark.parametrize("path", [ROOT / "package.xml", *sorted(ROOT.glob("config/*.xml"))], ids=name_of)
def test_xml_files_are_well_formed(path):
    ElementTree.parse(path)


def test_the_build_names_every_interface_and_executable_that_is_there():
    cmake = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    built = set(re.findall(r"^  ((?:msg|srv)/\S+)$", cmake, re.MULTILINE)) | set(re.findall(r"scripts/\w+", cmake))
    assert built == {str(path.relative_to(ROOT)) for path in INTERFACES + EXECUTABLES}


@pytest.mark.parametrize("path", INTERFACES, ids=name_of)
def test_every_field_is_explained_in_the_lines_above_it(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    fields = [index for index, line in enumerate(lines) if line and line != "---" and not line.startswith("#")]
    assert fields
    for index in fields:
        assert index > 0
        assert lines[index - 1].startswith("# "), f"{path.name}: {lines[index]}"


@pytest.mark.parametrize("path", EXECUTABLES, ids=name_of)
def test_executables_run_with_the_python_of_the_environment(path):
    assert path.stat().st_mode & stat.S_IXUSR
    text = path.read_text(encoding="utf-8")
    assert text.startswith("#!/usr/bin/env python3\n")
    assert "main()" in text


@pytest.mark.parametrize("path", LAUNCH_FILES, ids=name_of)
def test_launch_files_compile_and_explain_every_argument(path):
    compile(path.read_text(encoding="utf-8"), path.name, "exec")
    arguments = launch_arguments(path)
    assert arguments
    for name, call in arguments.items():
        assert {keyword.arg for keyword in call.keywords} == {"default_value", "description"}, name


def test_launch_without_arguments_is_the_node_as_the_parameter_file_says():
    path = ROOT / "launch" / "samwise.launch.py"
    defaults = {name: launch_default(path, name) for name in launch_arguments(path) if name != "params_file"}
    assert defaults == {"namespace": "", "name": "samwise", "cameras": "[]", "log_level": "info", "rviz": "false"}
    assert launch_table(path, "TOPICS").keys() == {"image", "depth", "camera_info", "text_command"}


def test_arguments_that_override_the_parameter_file_are_parameters_of_the_node():
    parameters = yaml.safe_load((ROOT / "config" / "samwise.yaml").read_text(encoding="utf-8"))["/**"][
        "ros__parameters"
    ]
    given = launch_table(ROOT / "launch" / "samwise.launch.py", "PARAMETERS").keys()
    assert given >= {"model", "weights", "device", "image_transport", "targets", "autostart", "use_sim_time"}
    assert given - {"use_sim_time"} <= parameters.keys()


def test_demo_launch_shows_the_made_up_world_without_a_display():
    path = ROOT / "launch" / "demo.launch.py"
    assert launch_default(path, "video") == ""
    assert launch_default(path, "rviz") == "false"


def test_dependencies_of_pip_are_all_pinned_for_the_environment():
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    block = re.search(r"^dependencies = \[\n(.*?)^\]", project, re.MULTILINE | re.DOTALL)
    assert block is not None
    declared = set(re.findall(r'"([\w-]+)', block[1]))
    pinned = {
        line.split("==")[0]
        for file in ("library.txt", "sam2.txt")
        for line in (ROOT / "requirements" / file).read_text(encoding="utf-8").splitlines()
        if "==" in line
    }
    assert declared == pinned - {"scipy"}, "SciPy only hides the system's"


@pytest.mark.parametrize("name", ["build", "install", "log", ".venv", "demo_output", "out", "runs"])
def test_git_ignores_what_the_commands_make(name):
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    assert subprocess.run(["git", "check-ignore", "--quiet", f"{name}/x"], cwd=ROOT, check=False).returncode == 0
