"""One TOML file a source: what it is, which counter its MACs follow, and its tables as printed."""
