"""The configuration: linewright.toml and the environment become the site that every process works on."""
