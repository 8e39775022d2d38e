"""What proves the promises of the README (`make proof`), and that the tests catch faults (`make mutants`)."""
