"""What is tested on one system with two accounts of Fiks IO: a folder, so that its files share that system."""
