"""This project is the first user of its own tasks."""

from flashpipe.tasks import *  # noqa: F403
