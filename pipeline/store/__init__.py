"""What is remembered: descriptions that can be searched by meaning, and the history of alerts. SQLite files."""
