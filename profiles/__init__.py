"""The shipped profiles: one YAML file for each board, and `demo` for the virtual one.

A package only so that the files travel in the wheel; `flashpipe.profile.search.shipped_folder` finds them.
"""
