"""Rules in plain language: ``watch_for`` sentences become typed conditions over facts, shown to the owner and exact."""
