"""Reports for people: what a structure did in a day, as a page that needs nothing else."""
