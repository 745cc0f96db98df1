"""This project is the first user of its own tasks."""

from pipeline.tasks import *  # noqa: F403
