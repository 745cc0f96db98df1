"""The page: boards in a browser. It asks `jobs` for what was clicked, shows their events, and decides nothing."""
