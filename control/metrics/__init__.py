"""The metrics of the contract (section 9): a worker's own, and what the database says."""
