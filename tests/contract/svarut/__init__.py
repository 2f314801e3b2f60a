"""What is tested on one gateway that has a log and nothing else: a folder, so that its files share that gateway."""
