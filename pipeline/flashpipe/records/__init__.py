"""What is kept between runs: receipts, the journal, backups, the folder of a project."""
