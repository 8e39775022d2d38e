"""How results are shown: tables in every format, and the comparison with a printed table."""
