"""The door from a checkout: `python cli.py eval …` is `repro eval …`."""

from repro.commands import main

if __name__ == "__main__":
    main()
