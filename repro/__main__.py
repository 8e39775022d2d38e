"""`python -m repro eval …` is `repro eval …`."""

from repro.commands import main

if __name__ == "__main__":
    main()
