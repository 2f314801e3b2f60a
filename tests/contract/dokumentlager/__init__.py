"""What is tested on one system with Dokumentlager: a folder, so that its files share that system."""
