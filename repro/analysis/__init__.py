"""What the rows of runs say: metrics, intervals, and the comparison with printed tables; never torch."""
