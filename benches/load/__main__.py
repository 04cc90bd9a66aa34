"""`python -m benches.load`: the load run."""

from benches.load.harness import main

main()
