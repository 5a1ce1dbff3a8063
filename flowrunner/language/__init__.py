"""The workflow language: from the text of a file to a checked workflow; nothing is sent."""
