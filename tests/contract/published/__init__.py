"""What is tested on one whole local system: a folder, so that its files share that system."""
